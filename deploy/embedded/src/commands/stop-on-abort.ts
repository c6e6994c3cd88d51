import type { RunningStack } from '../ensure-stack.js';

/** Waits until the stack ends or the user wants it to; resolves with the exit code once nothing runs any more. */
export async function stopOnAbort(stack: RunningStack, interrupted: AbortSignal): Promise<number> {
  const asked = new Promise<'asked'>((resolve) => {
    if (interrupted.aborted) resolve('asked');
    interrupted.addEventListener('abort', () => resolve('asked'), { once: true });
  });
  // A channel alone doesn't keep a process alive once it is closed; this does until the stack has ended.
  const alive = setInterval(() => undefined, 60_000);
  try {
    const outcome = await Promise.race([asked, stack.ended]);
    if (outcome !== 'asked') return outcome;
    await stack.stop();
    return 0;
  } finally {
    clearInterval(alive);
  }
}
