import 'reflect-metadata';
import { reasonOf, UnsuitableServer } from '../errors.js';
import { bootService, type ServiceOptions } from './boot-service.js';
import { ConfigurationFault, type ServiceConfig } from './configuration.js';
import { warmUp } from './warm-up.js';

/** sysexits.h: the configuration is wrong; something that the service needs cannot be used. */
const EX_CONFIG = 78;
const EX_UNAVAILABLE = 69;

/**
 * The whole life of a service process: reads its configuration, waits for NATS and Postgres, boots its Nest
 * application, and on SIGTERM or SIGINT drains and exits with 0. A second signal ends it at once.
 */
export async function startService<C extends ServiceConfig>(options: ServiceOptions<C>): Promise<void> {
  const stopWaiting = new AbortController();
  let stop: (() => Promise<boolean>) | undefined;
  let signals = 0;
  const onSignal = (signal: NodeJS.Signals): void => {
    signals += 1;
    if (signals > 1) process.exit(signal === 'SIGINT' ? 130 : 143);
    stopWaiting.abort();
    if (stop) void stop().then((clean) => process.exit(clean ? 0 : 1));
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  try {
    const service = await bootService({ ...options, signal: stopWaiting.signal });
    stop = () => service.stop();
    void warmUp(options.warmUp ?? [], service.context.drain.signal);
    // An error that nobody caught leaves unknown state behind: end, and let whoever supervises start afresh.
    const onFault = (error: unknown): void => {
      service.context.log.fatal(
        { reason: reasonOf(error), stack: error instanceof Error ? error.stack : undefined },
        'unexpected fault, ending',
      );
      process.exit(1);
    };
    process.on('uncaughtException', onFault);
    process.on('unhandledRejection', onFault);
    void service.context.nc.closed().then(() => {
      if (signals === 0) onFault(new Error('the connection to NATS was closed for good'));
    });
    if (signals > 0) process.exit((await stop()) ? 0 : 1);
  } catch (error) {
    if (signals > 0) process.exit(0);
    process.exit(explain(options.name, error));
  }
}

/** One line per fault on stderr, and the exit code that goes with it. */
function explain(name: string, error: unknown): number {
  if (error instanceof ConfigurationFault) {
    for (const fault of error.faults) process.stderr.write(`${name}: ${fault}\n`);
    return EX_CONFIG;
  }
  process.stderr.write(`${name}: ${reasonOf(error)}\n`);
  return error instanceof UnsuitableServer ? EX_UNAVAILABLE : 1;
}
