import { fork, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { PlannerDraft, TaskEnvelope } from '@flex/contracts';
import { ensureStack, readState } from '@flex/embedded';
import { ownPorts } from '../harness/own-ports.js';

export interface BenchStack {
  url: string;
  natsUrl: string;
  databaseUrl: string;
  home: string;
  workers: BenchWorkers;
  stop(): Promise<void>;
}

export interface BenchStackOptions {
  sync: 'default' | 'always';
  scale?: Record<string, number>;
  /** Processes of {@link BenchWorkers} at the start. */
  workers?: number;
  /** Variables of the services. */
  settings?: NodeJS.ProcessEnv;
  /** Program of the workers, where it is not this checkout's. */
  workerProgram?: string;
}

/** A stack of its own in a folder that goes with it, without the reference agents, and worker processes of ours. */
export async function benchStack(options: BenchStackOptions, env: NodeJS.ProcessEnv): Promise<BenchStack> {
  const home = mkdtempSync(join(tmpdir(), 'flex-bench-'));
  const stack = await ensureStack({
    env: {
      ...env,
      FLEX_HOME: home,
      FLEX_SYNC: options.sync,
      ...(await ownPorts()),
      // Servers of its own: those that a caller's environment names are somebody else's.
      NATS_URL: undefined,
      DATABASE_URL: undefined,
      FLEX_LOG_LEVEL: 'warn',
      FLEX_RATE_LIMIT: '0',
      ...options.settings,
    },
    without: ['worker'],
    lifetime: 'attached',
    scale: options.scale,
  });
  const workers = new BenchWorkers(stack.natsUrl, options.workerProgram);
  await workers.scaleTo(options.workers ?? 1);
  return {
    url: stack.url,
    natsUrl: stack.natsUrl,
    databaseUrl: stack.databaseUrl,
    home,
    workers,
    stop: async () => {
      await workers.scaleTo(0);
      await stack.stop();
      rmSync(home, { recursive: true, force: true });
    },
  };
}

/** Processes of `noop-worker.ts`, as many as wanted. */
export class BenchWorkers {
  readonly #children: ChildProcess[] = [];

  constructor(
    private readonly natsUrl: string,
    private program = fileURLToPath(new URL('./noop-worker.js', import.meta.url)),
    /** What they serve instead of all. */
    private readonly only?: 'apart',
  ) {}

  async scaleTo(count: number): Promise<void> {
    while (this.#children.length < count)
      this.#children.push(await startBenchWorker(this.program, this.natsUrl, this.only));
    await Promise.all(this.#children.splice(count).map(endBenchWorker));
  }

  get pids(): number[] {
    return this.#children.map((child) => child.pid!);
  }

  /** Lets the steps of `bench.gate` go on, those that wait and those to come. */
  openGate(): void {
    for (const child of this.#children) child.send('go');
  }

  /** Those to come run this. */
  use(program: string): void {
    this.program = program;
  }

  /** A new one for the oldest, as a rolling update does it: the new one works before the old one drains. */
  async replaceOldest(): Promise<void> {
    this.#children.push(await startBenchWorker(this.program, this.natsUrl, this.only));
    await endBenchWorker(this.#children.shift()!);
  }
}

async function startBenchWorker(program: string, natsUrl: string, only?: string): Promise<ChildProcess> {
  const worker = fork(program, only === undefined ? [natsUrl] : [natsUrl, only], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  await new Promise<void>((resolve, reject) => {
    worker.once('message', () => resolve());
    worker.once('exit', () => reject(new Error('the bench worker ended')));
  });
  return worker;
}

const endBenchWorker = (worker: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    worker.once('exit', () => resolve());
    worker.kill();
  });

const agent = new Agent({ keepAlive: true, maxSockets: 20_000 });

/** Submits an envelope and reads its stream to the end; milliseconds to the first frame and to the last. */
export function streamRun(url: string, body: string): Promise<{ first: number; total: number; text: string }> {
  const begun = performance.now();
  return new Promise((resolve, reject) => {
    const call = request(
      `${url}/api/v1/flex/run.stream`,
      {
        method: 'POST',
        agent,
        headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
      },
      (response) => {
        let first = 0;
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => {
          first ||= performance.now() - begun;
          chunks.push(chunk);
        });
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          if (text.includes('"status":"completed"')) resolve({ first, total: performance.now() - begun, text });
          else reject(new Error(`a run did not complete: ${text.slice(-600)}`));
        });
        response.on('error', reject);
      },
    );
    call.on('error', reject);
    call.end(body);
  });
}

/** Resident memory of a service, in MiB. */
export function memoryOf(home: string, service: string): number {
  const pid = readState(home)?.processes.find((record) => record.service === service)?.pid;
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
}

/** An envelope that brings its own plan, of steps that do nothing. */
export const envelopeOf = (plan: PlannerDraft, inputs?: TaskEnvelope['inputs']): string =>
  JSON.stringify({
    objective: 'bench',
    outputContract: { mode: 'facets', facets: ['benchTick'] },
    plan,
    inputs,
  } satisfies TaskEnvelope);

export const noopNode = (id: string, capabilityId = 'bench.noop'): PlannerDraft['nodes'][number] => ({
  id,
  kind: 'execution',
  capabilityId,
  label: id,
  inputFacets: [],
  outputFacets: ['benchTick'],
});

/** Steps one after the other, of these capabilities in turn. */
export function chainOf(count: number, capabilities: readonly string[] = ['bench.noop']): PlannerDraft {
  const ids = Array.from({ length: count }, (_, i) => `n${i}`);
  const nodes = ids.map((id, i) => noopNode(id, capabilities[i % capabilities.length]));
  return { nodes, edges: ids.slice(1).map((to, i) => ({ from: ids[i]!, to })) };
}
