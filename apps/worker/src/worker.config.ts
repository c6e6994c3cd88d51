import { IsIn, IsInt, IsOptional, IsString, Max, Min } from 'class-validator';
import { Env, ModelConfig } from '@flex/events/service';

/** The reference agents' environment. They ask a model when an endpoint or a key is given. */
export class WorkerConfig extends ModelConfig {
  /** Instead of the models that capabilities prefer. */
  @Env('FLEX_WORKER_MODEL')
  @IsOptional()
  @IsString()
  model?: string;

  /** Structured output where the endpoint knows it; `json_object` puts the schema into the prompt instead. */
  @Env('FLEX_WORKER_RESPONSE_FORMAT')
  @IsIn(['json_schema', 'json_object'])
  responseFormat: 'json_schema' | 'json_object' = 'json_schema';

  @Env('FLEX_WORKER_CALL_TIMEOUT_MS')
  @IsInt()
  @Min(10)
  callTimeoutMs: number = 60_000;

  @Env('FLEX_WORKER_MAX_RETRIES')
  @IsInt()
  @Min(0)
  @Max(10)
  maxRetries: number = 2;

  @Env('FLEX_WORKER_RETRY_MS')
  @IsInt()
  @Min(1)
  retryMs: number = 500;

  @Env('FLEX_WORKER_OUTPUT_TOKENS')
  @IsInt()
  @Min(100)
  outputTokens: number = 4_000;

  /** Folder with facets.json and capabilities.json, instead of the reference catalogue. */
  @Env('FLEX_CATALOG')
  @IsOptional()
  @IsString()
  catalog?: string;
}
