import { setImmediate as breathe } from 'node:timers/promises';
import { issuesOf, routes, runCatalogue, validateEvent } from '@flex/contracts';
import { validateEnvelope } from '@flex/planning';

/** Compiles the validators before the first client would have to wait for them (about a second of one core, in pieces). */
export async function warmUp(signal: AbortSignal): Promise<void> {
  const jobs = [
    () => validateEnvelope({}),
    ...Object.keys(runCatalogue).map((type) => () => validateEvent(type, {})),
    ...routes.flatMap((route) =>
      'body' in route && route.id !== 'createRun' && route.id !== 'streamRun' && route.id !== 'validateRun'
        ? [() => issuesOf(route.body, {})]
        : [],
    ),
  ];
  for (const job of jobs) {
    if (signal.aborted) return;
    job();
    await breathe();
  }
}
