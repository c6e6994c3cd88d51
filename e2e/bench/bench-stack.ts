import { fork, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { PlannerDraft, TaskEnvelope } from '@flex/contracts';
import { ensureStack } from '@flex/embedded';

export interface BenchStack {
  url: string;
  natsUrl: string;
  stop(): Promise<void>;
}

/** A stack of its own in a folder that goes with it, without the reference agents, and one worker process of ours. */
export async function benchStack(sync: 'default' | 'always', env: NodeJS.ProcessEnv): Promise<BenchStack> {
  const home = mkdtempSync(join(tmpdir(), 'flex-bench-'));
  const stack = await ensureStack({
    env: {
      ...env,
      FLEX_HOME: home,
      FLEX_SYNC: sync,
      FLEX_PORT: undefined,
      FLEX_LOG_LEVEL: 'warn',
      FLEX_RATE_LIMIT: '0',
    },
    without: ['worker'],
  });
  const worker = await benchWorker(stack.natsUrl);
  return {
    url: stack.url,
    natsUrl: stack.natsUrl,
    stop: async () => {
      worker.kill();
      await stack.stop();
      rmSync(home, { recursive: true, force: true });
    },
  };
}

async function benchWorker(natsUrl: string): Promise<ChildProcess> {
  const worker = fork(fileURLToPath(new URL('./noop-worker.js', import.meta.url)), [natsUrl], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  await new Promise<void>((resolve, reject) => {
    worker.once('message', () => resolve());
    worker.once('exit', () => reject(new Error('the bench worker ended')));
  });
  return worker;
}

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

/** An envelope that brings its own plan, of steps that do nothing. */
export const envelopeOf = (plan: PlannerDraft, inputs?: TaskEnvelope['inputs']): string =>
  JSON.stringify({
    objective: 'bench',
    outputContract: { mode: 'facets', facets: ['benchTick'] },
    plan,
    inputs,
  } satisfies TaskEnvelope);

export const noopNode = (id: string): PlannerDraft['nodes'][number] => ({
  id,
  kind: 'execution',
  capabilityId: 'bench.noop',
  label: id,
  inputFacets: [],
  outputFacets: ['benchTick'],
});

export function chainOf(count: number): PlannerDraft {
  const ids = Array.from({ length: count }, (_, i) => `n${i}`);
  return { nodes: ids.map(noopNode), edges: ids.slice(1).map((to, i) => ({ from: ids[i]!, to })) };
}
