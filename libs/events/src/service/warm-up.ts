import { setTimeout as delay } from 'node:timers/promises';
import { validateEvent, type EventType } from '@flex/contracts';
import type { RegistryMirror } from '../registry-mirror.js';

/** Once the service is up: readiness does not wait for it, and a run that came with the start goes first. */
const AFTER_MS = 500;
/** Between two jobs, so that work which has come meanwhile is not held up. */
const BREATH_MS = 5;

/** Something that is slow the first time, such as compiling a validator. */
export type WarmUpJob = () => unknown;

/** Does beforehand what the first run would have to wait for. */
export async function warmUp(jobs: Iterable<WarmUpJob>, signal: AbortSignal): Promise<void> {
  await delay(AFTER_MS, undefined, { signal, ref: false }).catch(() => undefined);
  for (const job of jobs) {
    if (signal.aborted) return;
    job();
    await delay(BREATH_MS, undefined, { ref: false });
  }
}

/** Validators of events, in the order in which a run needs them. */
export const eventValidators = (types: readonly EventType[]): WarmUpJob[] =>
  types.map((type) => () => validateEvent(type, {}));

/** Nothing was registered for so long: the agents that came up with us are there. */
const SETTLED_MS = 1_000;
/** With more than this, planning for practice would take longer than it saves. */
const MOST_CAPABILITIES = 1_000;

/** Calls back once, when the registry has capabilities and nothing changes any more. Returns a function that ends it. */
export function whenSettled(registry: RegistryMirror, job: () => unknown): () => void {
  let timer: NodeJS.Timeout | undefined;
  const look = (): void => {
    clearTimeout(timer);
    const { size } = registry.snapshot().capabilities;
    if (size > 0 && size <= MOST_CAPABILITIES) timer = setTimeout(settled, SETTLED_MS).unref();
  };
  const end = registry.onChange(look);
  const settled = (): void => {
    end();
    try {
      job();
    } catch {
      // Practice that fails costs nobody anything; the real thing says what is wrong.
    }
  };
  look();
  return () => {
    end();
    clearTimeout(timer);
  };
}
