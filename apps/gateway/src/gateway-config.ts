import { IsInt, IsOptional, IsString, IsUrl, Max, Min } from 'class-validator';
import { BODY_LIMIT_BYTES } from '@flex/contracts';
import { DatabaseConfig, Env } from '@flex/events/service';

export class GatewayConfig extends DatabaseConfig {
  /** JSON array of keys, or the path of a file with one (docs: security). Without keys and JWKS only loopback is served. */
  @Env('FLEX_API_KEYS')
  @IsOptional()
  @IsString()
  apiKeys?: string;

  @Env('FLEX_JWKS_URL')
  @IsOptional()
  @IsUrl({ require_tld: false, require_protocol: true })
  jwksUrl?: string;

  @Env('FLEX_JWT_ISSUER')
  @IsOptional()
  @IsString()
  jwtIssuer?: string;

  @Env('FLEX_JWT_AUDIENCE')
  @IsOptional()
  @IsString()
  jwtAudience?: string;

  /** Origins that browsers may call from, by commas; `*` for any. None by default. */
  @Env('FLEX_CORS_ORIGINS')
  @IsString()
  corsOrigins: string = '';

  /** Requests per second and tenant that this replica takes, with bursts of as many again; 0 for no limit. */
  @Env('FLEX_RATE_LIMIT')
  @IsInt()
  @Min(0)
  rateLimit: number = 0;

  /** Streams open at once on this replica, and of one tenant. */
  @Env('FLEX_MAX_STREAMS')
  @IsInt()
  @Min(1)
  maxStreams: number = 10_000;

  @Env('FLEX_MAX_STREAMS_PER_TENANT')
  @IsInt()
  @Min(1)
  maxStreamsPerTenant: number = 2_000;

  /** Submissions that may wait for the log at once; beyond that the answer is 503 with Retry-After. */
  @Env('FLEX_MAX_PENDING_SUBMISSIONS')
  @IsInt()
  @Min(1)
  maxPendingSubmissions: number = 2_000;

  /** Events that the orchestrators may be behind; while they are, submissions get 503 with Retry-After. */
  @Env('FLEX_MAX_BEHIND')
  @IsInt()
  @Min(1)
  maxBehind: number = 50_000;

  /** Open runs of one tenant, whatever they wait for; beyond that its submissions get 503. 0 for any number. */
  @Env('FLEX_MAX_OPEN_RUNS')
  @IsInt()
  @Min(0)
  maxOpenRuns: number = 200_000;

  @Env('FLEX_BODY_LIMIT_BYTES')
  @IsInt()
  @Min(1024)
  @Max(256 * 1024 * 1024)
  bodyLimit: number = BODY_LIMIT_BYTES;

  /** How long an ended run stays in the hot log before it is read from the archive only. */
  @Env('FLEX_RETENTION_SECONDS')
  @IsInt()
  @Min(0)
  retentionSeconds: number = 3_600;

  @Env('FLEX_TLS_CERT')
  @IsOptional()
  @IsString()
  tlsCert?: string;

  @Env('FLEX_TLS_KEY')
  @IsOptional()
  @IsString()
  tlsKey?: string;
}
