export { startService } from './start-service.js';
export { bootService, type RunningService, type ServiceOptions } from './boot-service.js';
export {
  ConfigurationFault,
  DatabaseConfig,
  Env,
  readConfiguration,
  ServiceConfig,
  type Environment,
} from './configuration.js';
export { ServiceContext } from './context.js';
export { Drain, drainPhases, type DrainPhase } from './drain.js';
export { createLogger, NestLogger, type Logger } from './logger.js';
export { ModelConfig } from './model-config.js';
export { runMigrations } from './run-migrations.js';
export { SchemaCompiler } from './schema-compiler.js';
export { problemOf, ProblemFilter } from './problem-filter.js';
export { Readiness, type ReadinessCheck, type ReadinessReport } from './readiness.js';
export { eventValidators, whenSettled, type WarmUpJob } from './warm-up.js';
export { startTelemetry, traceFields, type Telemetry } from './telemetry.js';
