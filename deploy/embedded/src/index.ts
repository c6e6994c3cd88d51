/** The embedded stack: every server and service as processes of this machine, without containers. */
export { ensureStack, stopStack, type EnsureOptions, type RunningStack, type StackInfo } from './ensure-stack.js';
export { OperatorError } from './operator-error.js';
export { CHECKOUT } from './checkout.js';
export { bundlePrograms } from './service-bundle.js';
export { homeOf, readChoices, SERVICES, type ServiceName, type StackChoices } from './settings.js';
export { logPath, readState, supervisorOf, type ProcessRecord, type StackState } from './stack-state.js';
export { freePorts } from './tcp-ports.js';
export { hasEnded, isRunning, signal, type ProcessIdentity } from './process-identity.js';
