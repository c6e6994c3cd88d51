import { startOpenAiServer } from '../openai-server.js';
import { benchStack, streamRun } from './bench-stack.js';
import { LIMITED_CONCURRENCY, LIMITED_MS } from './limited.js';
import { percentile, round } from './statistics.js';

const COUNTS = [1, 2, 4];
const CHAIN = 5;
const CLIENTS = 64;
/** What one planner asks the model at once, and how long the model takes. */
const PLANNER_CONCURRENCY = 2;
const MODEL_MS = 200;

/**
 * Throughput with one, two and four workers, then planners, each of which mostly waits for something outside (a model):
 * then replicas are what limits, and not the cores of one machine. `ofLimit` compares with what the replicas could do if
 * everything around them took no time.
 */
export async function benchScale(env: NodeJS.ProcessEnv, seconds = 6): Promise<Record<string, unknown>[]> {
  return [...(await scaleWorkers(env, seconds)), ...(await scalePlanners(env, seconds))];
}

async function scaleWorkers(env: NodeJS.ProcessEnv, seconds: number): Promise<Record<string, unknown>[]> {
  const stack = await benchStack({ sync: 'default' }, env);
  const nodes = Array.from({ length: CHAIN }, (_, i) => ({
    id: `n${i}`,
    kind: 'execution' as const,
    capabilityId: 'bench.limited',
    label: `n${i}`,
    inputFacets: [],
    outputFacets: ['benchDone'],
  }));
  const edges = nodes.slice(1).map((node, i) => ({ from: `n${i}`, to: node.id }));
  const body = JSON.stringify({
    objective: 'scale',
    outputContract: { mode: 'facets', facets: ['benchDone'] },
    plan: { nodes, edges },
  });
  try {
    const rows: Record<string, unknown>[] = [];
    for (const count of COUNTS) {
      await stack.workers.scaleTo(count);
      await drive(stack.url, () => body, 1);
      const { latencies, elapsed } = await drive(stack.url, () => body, seconds);
      rows.push(
        row(
          'workers',
          count,
          (latencies.length * CHAIN) / elapsed,
          limitOf(LIMITED_CONCURRENCY, LIMITED_MS),
          latencies,
          rows,
        ),
      );
    }
    return rows;
  } finally {
    await stack.stop();
  }
}

async function scalePlanners(env: NodeJS.ProcessEnv, seconds: number): Promise<Record<string, unknown>[]> {
  const answer = {
    nodes: [
      {
        id: 'tick',
        kind: 'execution',
        capabilityId: 'bench.noop',
        derivedFrom: null,
        label: 'tick',
        inputFacets: [],
        outputFacets: ['benchTick'],
        instruction: null,
        rationale: [],
        branchId: null,
        fallback: [],
        mapping: null,
        routes: null,
      },
    ],
    edges: [],
  };
  const model = await startOpenAiServer({ respond: () => ({ json: answer, delayMs: MODEL_MS }) });
  try {
    const rows: Record<string, unknown>[] = [];
    for (const count of COUNTS) {
      const stack = await benchStack(
        { sync: 'default', scale: { planner: count } },
        {
          ...env,
          OPENAI_BASE_URL: model.url,
          OPENAI_API_KEY: 'bench',
          FLEX_PLANNER_MODEL: 'scripted',
          FLEX_PLANNER_CONCURRENCY: String(PLANNER_CONCURRENCY),
        },
      );
      try {
        let asked = 0;
        // Each its own objective: a draft that was made already is not asked for again.
        const body = (): string =>
          JSON.stringify({
            objective: `plan ${count}.${++asked}`,
            outputContract: { mode: 'facets', facets: ['benchTick'] },
          });
        await drive(stack.url, body, 1);
        const { latencies, elapsed } = await drive(stack.url, body, seconds);
        rows.push(
          row('planners', count, latencies.length / elapsed, limitOf(PLANNER_CONCURRENCY, MODEL_MS), latencies, rows),
        );
      } finally {
        await stack.stop();
      }
    }
    return rows;
  } finally {
    await model.stop();
  }
}

const limitOf = (concurrency: number, ms: number): number => (concurrency * 1000) / ms;

function row(
  what: string,
  count: number,
  perSecond: number,
  limitOfOne: number,
  latencies: number[],
  before: readonly Record<string, unknown>[],
): Record<string, unknown> {
  const one = Number(before[0]?.['perSecond'] ?? perSecond);
  return {
    bench: 'scale',
    what,
    replicas: count,
    perSecond: round(perSecond),
    overOne: round(perSecond / one, 2),
    ofLimit: round(perSecond / (limitOfOne * count), 2),
    p50Ms: round(percentile(latencies, 0.5), 0),
    p99Ms: round(percentile(latencies, 0.99), 0),
  };
}

/** As many clients as keep every replica busy, each with one run after the other. */
async function drive(
  url: string,
  body: () => string,
  seconds: number,
): Promise<{ latencies: number[]; elapsed: number }> {
  const latencies: number[] = [];
  const begun = performance.now();
  await Promise.all(
    Array.from({ length: CLIENTS }, async () => {
      while (performance.now() - begun < seconds * 1000) latencies.push((await streamRun(url, body())).total);
    }),
  );
  return { latencies, elapsed: (performance.now() - begun) / 1000 };
}
