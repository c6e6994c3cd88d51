import { benchStack, envelopeOf, noopNode, streamRun } from './bench-stack.js';
import { round } from './statistics.js';

/** One run of many parallel nodes behind a first one: what a node costs must not depend on how many there are. */
export async function benchFanout(
  env: NodeJS.ProcessEnv,
  sizes = [50, 1000, 10_000],
): Promise<Record<string, unknown>[]> {
  const stack = await benchStack('default', env);
  try {
    const rows: Record<string, unknown>[] = [];
    await streamRun(stack.url, body(50));
    for (const size of sizes) {
      // Small graphs several times: one alone is over before the clock is worth reading.
      const turns = Math.max(1, Math.round(1000 / size));
      let total = 0;
      for (let turn = 0; turn < turns; turn++) total += (await streamRun(stack.url, body(size))).total;
      rows.push({ bench: 'fanout', nodes: size, ms: round(total / turns), msPerNode: round(total / turns / size, 3) });
    }
    const base = rows[0]!['msPerNode'] as number;
    return rows.map((row) => ({ ...row, overSmallest: round((row['msPerNode'] as number) / base, 2) }));
  } finally {
    await stack.stop();
  }
}

function body(count: number): string {
  const ids = Array.from({ length: count }, (_, i) => `n${i}`);
  return envelopeOf({
    nodes: [noopNode('first'), ...ids.map(noopNode)],
    edges: ids.map((to) => ({ from: 'first', to })),
  });
}
