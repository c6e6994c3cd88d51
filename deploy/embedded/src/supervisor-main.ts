/**
 * The supervisor's own process. It is started by ensureStack with a channel to whoever asked for the stack: as long as
 * that channel is open the stack ends with the asker, however the asker ends; `keep` lets go of it.
 */
import { mkdirSync } from 'node:fs';
import { OperatorError } from './operator-error.js';
import { readSettings, type StackChoices } from './settings.js';
import type { StackState } from './stack-state.js';
import { HomeIsTaken, Supervisor } from './supervisor.js';

export type FromSupervisor =
  | { type: 'progress'; line: string }
  | { type: 'ready'; state: StackState }
  /** Another was faster. */
  | { type: 'taken' }
  | { type: 'failed'; message: string; advice?: string; expected: boolean };

export type ToSupervisor = { type: 'keep' } | { type: 'stop' };

const tell = (message: FromSupervisor): void => {
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
};

async function main(): Promise<void> {
  const settings = readSettings(process.env, JSON.parse(process.argv[2] ?? '{}') as StackChoices);
  mkdirSync(settings.home, { recursive: true, mode: 0o700 });
  const supervisor = new Supervisor(settings, process.env, (line) => {
    console.log(new Date().toISOString(), line);
    tell({ type: 'progress', line });
  });
  let kept = false;
  let stopping: Promise<void> | undefined;
  const stop = (exitCode: number): void => {
    if (stopping) {
      // Asked twice: no more patience.
      void supervisor.stop(0);
      return;
    }
    stopping = supervisor.stop().then(
      () => process.exit(exitCode),
      (error: unknown) => {
        console.error(error);
        process.exit(1);
      },
    );
  };
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => stop(0));
  process.on('disconnect', () => {
    if (!kept) stop(0);
  });
  process.on('message', (message: ToSupervisor) => {
    if (message.type === 'stop') stop(0);
    else {
      kept = true;
      process.disconnect();
    }
  });
  try {
    tell({ type: 'ready', state: await supervisor.start() });
  } catch (error) {
    if (stopping) return;
    if (error instanceof HomeIsTaken) {
      tell({ type: 'taken' });
      return stop(0);
    }
    const { message } = error as Error;
    console.error(new Date().toISOString(), error);
    tell({
      type: 'failed',
      message,
      advice: (error as OperatorError).advice,
      expected: error instanceof OperatorError,
    });
    stop(1);
  }
}

await main();
