import { setTimeout as delay } from 'node:timers/promises';
import { connectNats, LOG_STREAM, openEventLog, OrderedReader, type EventLog } from '@flex/events';
import { readState, signal } from '@flex/embedded';
import { evolve, initial } from '@flex/orchestrator/fold';
import type { StoredEvent } from '@flex/contracts';
import { natsAccess } from '../harness/nats-access.js';
import { benchStack, envelopeOf, noopNode, type BenchStack } from './bench-stack.js';
import { lastSeq, rawLimit } from './raw-limit.js';
import { inParallel, round } from './statistics.js';

/**
 * Thousands of runs in the middle of a step when the orchestrator is killed. While it is away all workers report; from
 * the kill it counts until every run has its next step, and until the last has ended. Beside it the same without a kill,
 * and what the server needs for the messages from then on.
 */
export async function benchRecovery(env: NodeJS.ProcessEnv, runs = 10_000): Promise<Record<string, unknown>[]> {
  const rows: Record<string, unknown>[] = [];
  for (const kill of [false, true]) {
    const stack = await benchStack({ sync: 'default' }, env);
    const { servers, user, pass } = natsAccess(stack.natsUrl);
    const nc = await connectNats({ url: servers.join(), name: 'bench', user, pass });
    try {
      const log = await openEventLog({ nc, source: 'gateway' });
      const went = await goOn(stack, log, runs, kill);
      rows.push({ bench: 'recovery', runs, killed: kill, ...went, ...(kill ? await foldRate(log) : {}) });
    } finally {
      await nc.close();
      await stack.stop();
    }
  }
  // The first row has all columns, for the table.
  return rows.reverse();
}

async function goOn(stack: BenchStack, log: EventLog, runs: number, kill: boolean) {
  const body = envelopeOf({
    nodes: [noopNode('wait', 'bench.gate'), noopNode('next')],
    edges: [{ from: 'wait', to: 'next' }],
  });
  const begun = performance.now();
  await inParallel(runs, 64, async () => {
    const response = await fetch(`${stack.url}/api/v1/flex/runs`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    });
    if (response.status !== 202) throw new Error(`a run was refused: ${response.status} ${await response.text()}`);
    await response.arrayBuffer();
  });
  await counted(log, 'node.dispatched.>', runs);
  const opened = performance.now() - begun;
  // So that snapshots are there, as in any system that has run for a while.
  await delay(6_000);
  const orchestrator = readState(stack.home)?.processes.find(({ service }) => service === 'orchestrator');
  const before = await lastSeq(stack.natsUrl);
  const start = performance.now();
  if (kill && orchestrator) signal(orchestrator, 'SIGKILL');
  stack.workers.openGate();
  await counted(log, 'node.dispatched.>', runs * 2);
  const continued = performance.now() - start;
  await counted(log, 'run.completed.>', runs);
  const ended = performance.now() - start;
  const raw = await rawLimit(stack.natsUrl, before + 1, await lastSeq(stack.natsUrl));
  return {
    openRunsPerSecond: round(runs / (opened / 1000)),
    continueMs: round(continued),
    endedMs: round(ended),
    rawMs: round(raw.ms),
    overRaw: round(ended / raw.ms),
  };
}

/** Resolves when so many messages lie under a subject. */
async function counted(log: EventLog, filter: string, count: number): Promise<void> {
  const reader = new OrderedReader({ nc: log.nc, stream: LOG_STREAM, filters: [filter], headersOnly: true });
  try {
    for (let seen = 0; seen < count;) seen += (await reader.take(4096))?.length ?? count;
  } finally {
    reader.close();
  }
}

/** How fast the whole log folds in one process, beside merely reading it. */
async function foldRate(log: EventLog): Promise<Record<string, number>> {
  const last = await log.lastSeq();
  const reader = new OrderedReader({ nc: log.nc, stream: LOG_STREAM, prefetch: 4096 });
  let read = 0;
  let begun = performance.now();
  for (let seq = 0; seq < last;) {
    const batch = (await reader.take(4096))!;
    read += batch.length;
    seq = batch.at(-1)!.delivery.seq;
  }
  const readSeconds = (performance.now() - begun) / 1000;
  reader.close();

  const states = new Map<string, ReturnType<typeof initial>>();
  const tail = log.tail({ maxBatch: 4096 });
  let folded = 0;
  begun = performance.now();
  for await (const batch of tail) {
    for (const event of batch as unknown as StoredEvent[]) {
      folded++;
      const state = states.get(event.runId);
      if (state) evolve(state, event);
      else if (event.type === 'run.submitted') states.set(event.runId, initial(event));
    }
    if (batch.at(-1)!.seq >= last || tail.lag === 0) break;
  }
  const foldSeconds = (performance.now() - begun) / 1000;
  tail.close();
  return { foldPerSecond: round(folded / foldSeconds, 0), bareReadPerSecond: round(read / readSeconds, 0) };
}
