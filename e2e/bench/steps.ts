import { BareProtocol } from './bare-protocol.js';
import { BenchWorkers, benchStack, chainOf, envelopeOf, streamRun } from './bench-stack.js';
import { percentile, round } from './statistics.js';
import { lastSeq } from './raw-limit.js';

const STEPS = 10;
/** About three seconds' worth on two cores. */
const BARE_RUNS = { 1: 300, 16: 800, 64: 900 };

/** A worker goes on by itself with what it serves, and reports it by capability; what another process serves is dispatched. */
const CHAINS = {
  'one capability': ['bench.noop'],
  'two in turn': ['bench.noop', 'bench.other'],
  'handed over': ['bench.noop', 'bench.apart'],
};

/** Chains of ten no-op nodes at several concurrencies, the whole product beside the bare protocol on the same server. */
export async function benchSteps(env: NodeJS.ProcessEnv, seconds = 6): Promise<Record<string, unknown>[]> {
  const rows: Record<string, unknown>[] = [];
  for (const sync of ['default', 'always'] as const) {
    const stack = await benchStack({ sync }, env);
    const bare = await BareProtocol.start(stack.natsUrl);
    const others = new BenchWorkers(stack.natsUrl, undefined, 'apart');
    try {
      await others.scaleTo(1);
      for (const [chain, capabilities] of Object.entries(CHAINS)) {
        const body = envelopeOf(chainOf(STEPS, capabilities));
        await chains(stack.url, body, 8, 1.5);
        await bare.chains(200, 8);
        for (const concurrency of [1, 16, 64] as const) {
          // In turn, twice: a machine that becomes slower becomes so for both.
          const product = [];
          const limit = [];
          const before = await lastSeq(stack.natsUrl);
          for (let turn = 0; turn < 2; turn++) {
            product.push(await chains(stack.url, body, concurrency, seconds / 2));
            limit.push(await bare.chains(BARE_RUNS[concurrency], concurrency));
          }
          const writes = (await lastSeq(stack.natsUrl)) - before;
          rows.push({ bench: 'steps', sync, chain, ...row(concurrency, merge(product), merge(limit), writes) });
        }
      }
    } finally {
      await others.scaleTo(0);
      await bare.stop();
      await stack.stop();
    }
  }
  return rows;
}

interface Measured {
  latencies: number[];
  seconds: number;
  steps: number;
}

const merge = (parts: Measured[]): Measured => ({
  latencies: parts.flatMap((part) => part.latencies),
  seconds: parts.reduce((sum, part) => sum + part.seconds, 0),
  steps: parts.reduce((sum, part) => sum + part.steps, 0),
});

function row(concurrency: number, product: Measured, bare: Measured, writes: number): Record<string, unknown> {
  const rate = product.steps / product.seconds;
  const limit = bare.steps / bare.seconds;
  return {
    concurrency,
    runsPerSecond: round(rate / STEPS),
    stepsPerSecond: round(rate, 0),
    p50Ms: round(percentile(product.latencies, 0.5)),
    p99Ms: round(percentile(product.latencies, 0.99)),
    writesPerStep: round(writes / product.steps, 2),
    bareStepsPerSecond: round(limit, 0),
    bareP50Ms: round(percentile(bare.latencies, 0.5)),
    bareP99Ms: round(percentile(bare.latencies, 0.99)),
    shareOfBare: round(rate / limit, 2),
    latencyOverBare: round(percentile(product.latencies, 0.5) / percentile(bare.latencies, 0.5), 2),
  };
}

async function chains(url: string, body: string, concurrency: number, seconds: number): Promise<Measured> {
  const latencies: number[] = [];
  const begun = performance.now();
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      while (performance.now() - begun < seconds * 1000) latencies.push((await streamRun(url, body)).total);
    }),
  );
  return { latencies, seconds: (performance.now() - begun) / 1000, steps: latencies.length * STEPS };
}
