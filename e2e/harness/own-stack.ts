import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureStack, readState, signal, type ProcessRecord, type RunningStack } from '@flex/embedded';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { FlexHttp } from './flex-http.js';
import { natsAccess } from './nats-access.js';
import { ownPorts } from './own-ports.js';

/** What would tie a stack of the test's own to servers or models of somebody else. */
const NOT_INHERITED = ['NATS_URL', 'DATABASE_URL', 'OPENAI_BASE_URL', 'OPENAI_API_KEY'];

const RESTART_MS = 60_000;
const LAUNCHER = fileURLToPath(new URL('../../deploy/embedded/dist/main.js', import.meta.url));

/** A stack that a test may treat as it likes. It ends with the test, or at the latest with its process. */
export class OwnStack {
  private constructor(
    private readonly stack: RunningStack,
    readonly http: FlexHttp,
    readonly nats: NatsConnection,
  ) {}

  static async start(options: { without?: string[]; env?: NodeJS.ProcessEnv } = {}): Promise<OwnStack> {
    const env: NodeJS.ProcessEnv = {
      ...process.env,
      ...options.env,
      FLEX_HOME: mkdtempSync(join(tmpdir(), 'flex-own-')),
    };
    for (const name of NOT_INHERITED) if (!options.env?.[name]) delete env[name];
    Object.assign(env, await ownPorts());
    const stack = await ensureStack({ env, without: options.without, lifetime: 'attached' });
    const nats = await connect({ ...natsAccess(stack.natsUrl), maxReconnectAttempts: -1 });
    return new OwnStack(stack, new FlexHttp(stack.url), nats);
  }

  async stop(): Promise<void> {
    await this.nats.close();
    await this.stack.stop();
    rmSync(this.stack.home, { recursive: true, force: true });
  }

  get url(): string {
    return this.stack.url;
  }

  get natsUrl(): string {
    return this.stack.natsUrl;
  }

  get databaseUrl(): string {
    return this.stack.databaseUrl;
  }

  /** Runs a command of the launcher on this stack. */
  command(...argv: string[]): Promise<{ code: number; text: string }> {
    const env = { ...process.env, FLEX_HOME: this.stack.home, FLEX_URL: this.stack.url };
    for (const name of ['NATS_URL', 'DATABASE_URL']) delete env[name as keyof typeof env];
    return new Promise((resolve) => {
      execFile(process.execPath, [LAUNCHER, ...argv], { env, maxBuffer: 64 * 2 ** 20 }, (error, stdout, stderr) =>
        resolve({ code: error ? Number(error.code ?? 1) : 0, text: `${stdout}${stderr}` }),
      );
    });
  }

  /** Kills every service at once, without warning, and waits until new processes have taken over. */
  async restartServices(): Promise<void> {
    const before = new Map(this.services().map((record) => [record.name, record.pid]));
    for (const record of this.services()) signal(record, 'SIGKILL');
    const deadline = performance.now() + RESTART_MS;
    for (;;) {
      const now = this.services();
      if (now.length === before.size && now.every((record) => record.ready && record.pid !== before.get(record.name)))
        return;
      if (performance.now() > deadline) {
        throw new Error(
          `services did not come back: ${now.map(({ name, ready, pid }) => `${name} ${pid} ${ready}`).join(', ')}`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  private services(): ProcessRecord[] {
    return (readState(this.stack.home)?.processes ?? []).filter((record) => record.service !== undefined);
  }
}
