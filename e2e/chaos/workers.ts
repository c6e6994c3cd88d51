import { fork, type ChildProcess } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Two processes of counting agents; one that is killed is replaced. */
export class Workers {
  readonly #children = new Set<ChildProcess>();
  #stopped = false;

  constructor(
    private readonly natsUrl: string,
    private readonly file: string,
  ) {}

  async start(): Promise<void> {
    await Promise.all([this.#spawn(), this.#spawn()]);
  }

  /** Sends a signal to the one that has lived longest; `SIGCONT` to all. */
  signal(name: NodeJS.Signals): void {
    for (const child of this.#children) {
      child.kill(name);
      if (name !== 'SIGCONT') return;
    }
  }

  stop(): void {
    this.#stopped = true;
    for (const child of this.#children) child.kill('SIGKILL');
  }

  /** How often each attempt was carried out, by idempotency key. */
  effects(): Map<string, number> {
    const effects = new Map<string, number>();
    if (existsSync(this.file))
      for (const key of readFileSync(this.file, 'utf8').split('\n'))
        if (key) effects.set(key, (effects.get(key) ?? 0) + 1);
    return effects;
  }

  #spawn(): Promise<void> {
    const child = fork(fileURLToPath(new URL('./counter-worker.js', import.meta.url)), [this.natsUrl, this.file], {
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    this.#children.add(child);
    child.once('exit', () => {
      this.#children.delete(child);
      if (!this.#stopped) void this.#spawn();
    });
    return new Promise((resolve) => child.once('message', () => resolve()));
  }
}
