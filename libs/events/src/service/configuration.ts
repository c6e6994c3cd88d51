import 'reflect-metadata';
import { IsIn, IsInt, IsOptional, IsString, Matches, Max, Min, validateSync } from 'class-validator';

const VARIABLES = Symbol('environment variables');

interface Variable {
  property: string;
  name: string;
}

/** Names the environment variable that a configuration property is read from; its type decides the conversion. */
export function Env(name: string): PropertyDecorator {
  return (target, property) => {
    const inherited = (Reflect.getMetadata(VARIABLES, target) as Variable[] | undefined) ?? [];
    Reflect.defineMetadata(VARIABLES, [...inherited, { property: String(property), name }], target);
  };
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** What is wrong with the environment, one readable line per fault. */
export class ConfigurationFault extends Error {
  override readonly name = 'ConfigurationFault';
  constructor(readonly faults: string[]) {
    super(faults.join('\n'));
  }
}

/** Reads a configuration class from the environment, once, and checks it. Throws {@link ConfigurationFault}. */
export function readConfiguration<C extends object>(type: new () => C, env: Environment): C {
  const config = new type();
  const variables = (Reflect.getMetadata(VARIABLES, type.prototype as object) as Variable[] | undefined) ?? [];
  const names = new Map<string, string>();
  for (const { property, name } of variables) {
    names.set(property, name);
    const text = env[name]?.trim();
    // An empty variable is how compose files and shells say "not set".
    if (text === undefined || text === '') continue;
    (config as Record<string, unknown>)[property] = convert(text, typeAt(type, property));
  }
  const faults = validateSync(config, { forbidUnknownValues: false }).flatMap((error) => {
    const name = names.get(error.property) ?? error.property;
    const given = env[name];
    const is = given === undefined || given === '' ? 'it is not set' : `it is "${isSecret(name) ? '…' : given}"`;
    // One line says enough: the broadest constraint comes last.
    return Object.values(error.constraints ?? {})
      .slice(-1)
      .map((text) => `${text.replace(error.property, name)} (${is})`);
  });
  if (faults.length > 0) throw new ConfigurationFault(faults);
  return config;
}

const typeAt = (type: new () => object, property: string): unknown =>
  Reflect.getMetadata('design:type', type.prototype as object, property);

function convert(text: string, type: unknown): unknown {
  if (type === Number) return Number(text);
  if (type === Boolean) return /^(1|true|yes|on)$/i.test(text) || (/^(0|false|no|off)$/i.test(text) ? false : text);
  if (type === Array) return text.split(',').map((part) => part.trim());
  return text;
}

const isSecret = (name: string): boolean => /PASS|SECRET|KEY|TOKEN|DATABASE_URL|NATS_URL/.test(name);

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

/** What every service reads; a service with more of its own extends it. */
export class ServiceConfig {
  @Env('NATS_URL')
  @Matches(/^(nats|tls|wss?):\/\/\S+$/, { message: 'natsUrl must be a URL like nats://127.0.0.1:4222' })
  natsUrl: string = 'nats://127.0.0.1:4222';

  @Env('NATS_USER')
  @IsOptional()
  @IsString()
  natsUser?: string;

  @Env('NATS_PASSWORD')
  @IsOptional()
  @IsString()
  natsPassword?: string;

  /** Path of a `.creds` file. */
  @Env('NATS_CREDS')
  @IsOptional()
  @IsString()
  natsCreds?: string;

  /** Reply subjects start with it; give each service its own where NATS permissions are set. */
  @Env('NATS_INBOX_PREFIX')
  @IsOptional()
  @Matches(/^[A-Za-z0-9_-]+$/, { message: 'natsInboxPrefix must be one word of letters, digits, _ and -' })
  natsInboxPrefix?: string;

  /** Port of HTTP: health everywhere, the API in the gateway. 0 takes a free one. */
  @Env('PORT')
  @IsInt()
  @Min(0)
  @Max(65535)
  port: number = 0;

  @Env('FLEX_HOST')
  @IsString()
  host: string = '127.0.0.1';

  /** Name of this replica in logs, leases and heartbeats; made up when not given. */
  @Env('FLEX_INSTANCE')
  @IsOptional()
  @Matches(/^[A-Za-z0-9_-]{1,64}$/, { message: 'instance must be 1 to 64 letters, digits, _ and -' })
  instance?: string;

  @Env('FLEX_LOG_LEVEL')
  @IsIn(logLevels)
  logLevel: (typeof logLevels)[number] = 'info';

  /** Partitions of a log that does not exist yet. */
  @Env('FLEX_PARTITIONS')
  @IsInt()
  @Min(1)
  @Max(99)
  partitions: number = 16;

  /** Replicas of streams and buckets that do not exist yet: 1 embedded, 3 in a cluster. */
  @Env('FLEX_REPLICAS')
  @IsIn([1, 3, 5])
  replicas: number = 1;
}

/** For services with a store: each keeps to its own Postgres schema. */
export class DatabaseConfig extends ServiceConfig {
  @Env('DATABASE_URL')
  @Matches(/^postgres(ql)?:\/\/\S+$/, {
    message: 'databaseUrl must be a URL like postgres://user:password@host:5432/flex',
  })
  databaseUrl: string = 'postgres://postgres:postgres@127.0.0.1:5432/flex';

  @Env('DATABASE_POOL')
  @IsInt()
  @Min(1)
  @Max(200)
  databasePool: number = 10;
}
