import { benchStack, envelopeOf, noopNode, streamRun } from './bench-stack.js';
import { lastSeq, rawLimit } from './raw-limit.js';
import { round } from './statistics.js';

/**
 * One run of many parallel nodes behind a first one: what a node costs must not depend on how many there are. Beside it
 * what the server needs for the same messages.
 */
export async function benchFanout(
  env: NodeJS.ProcessEnv,
  sizes = [50, 1000, 10_000],
): Promise<Record<string, unknown>[]> {
  const stack = await benchStack({ sync: 'default' }, env);
  try {
    const rows: Record<string, unknown>[] = [];
    await streamRun(stack.url, body(50));
    for (const size of sizes) {
      // Small graphs several times: one alone is over before the clock is worth reading.
      const turns = Math.max(1, Math.round(1000 / size));
      let total = 0;
      const before = await lastSeq(stack.natsUrl);
      for (let turn = 0; turn < turns; turn++) total += (await streamRun(stack.url, body(size))).total;
      const raw = await rawLimit(stack.natsUrl, before + 1, await lastSeq(stack.natsUrl));
      rows.push({
        bench: 'fanout',
        nodes: size,
        ms: round(total / turns),
        msPerNode: round(total / turns / size, 3),
        messagesPerNode: round(raw.messages / turns / size, 2),
        rawMsPerNode: round(raw.ms / turns / size, 3),
        overRaw: round(total / raw.ms),
      });
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
    nodes: [noopNode('first'), ...ids.map((id) => noopNode(id))],
    edges: ids.map((to) => ({ from: 'first', to })),
  });
}
