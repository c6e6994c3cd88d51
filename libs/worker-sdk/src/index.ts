export {
  defineCapability,
  type CapabilityDefinition,
  type Handler,
  type Inputs,
  type Outputs,
} from './define-capability.js';
export { RetryableError, FatalError } from './errors.js';
export { startWorker, type RunningWorker, type WorkerOptions } from './start-worker.js';
export { StepContext, type Progress } from './step-context.js';
export { plainLogger, type WorkerLogger } from './logger.js';
