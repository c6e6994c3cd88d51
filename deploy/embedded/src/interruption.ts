/** Ctrl-C and a polite kill, as one signal for everything that a command does. */

/** Exit code of a command that the user interrupted. */
export const INTERRUPTED = 130;

/** From now on the process no longer dies of these signals; whoever takes this must end when it is aborted. */
export function interruption(): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => controller.abort(new Error('interrupted')));
  }
  return controller.signal;
}
