import { fork, type ChildProcess } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createFlex } from '@flex/client';
import { connectNats, openEventLog } from '@flex/events';
import type { TaskEnvelope } from '@flex/contracts';
import { benchStack, chainOf, memoryOf } from './bench-stack.js';
import { natsAccess } from '../harness/nats-access.js';
import type { Said, Wish } from './sse-clients.js';
import { percentile, round } from './statistics.js';

/** Runs are let go one after another, so many a second. */
const RUNS_PER_SECOND = 10;

/**
 * Thousands of streams open on one gateway, a hundred on each run, while the runs go on. Delivery is measured from the
 * log's own time of an event to the client's process; beside it, a bare consumer of the same messages.
 */
export async function benchSse(env: NodeJS.ProcessEnv, sizes = [1_000, 10_000]): Promise<Record<string, unknown>[]> {
  const rows: Record<string, unknown>[] = [];
  for (const streams of sizes) {
    const stack = await benchStack(
      { sync: 'default', settings: { FLEX_MAX_STREAMS: '20000', FLEX_MAX_STREAMS_PER_TENANT: '20000' } },
      env,
    );
    try {
      rows.push(await one(stack, streams));
    } finally {
      await stack.stop();
    }
  }
  return rows;
}

async function one(
  { url, natsUrl, home }: Awaited<ReturnType<typeof benchStack>>,
  count: number,
): Promise<Record<string, unknown>> {
  const flex = createFlex({ url });
  const envelope: TaskEnvelope = {
    objective: 'bench',
    outputContract: { mode: 'facets', facets: ['benchTick'] },
    plan: chainOf(5),
    review: true,
  };
  const runIds: string[] = [];
  for (let i = 0; i < count / 100; i++) runIds.push((await flex.runs.create(envelope)).runId);
  const tasks = await openTasks(flex, runIds.length);
  const before = memoryOf(home, 'gateway');
  const clients = fork(fileURLToPath(new URL('./sse-clients.js', import.meta.url)), {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const bare = await bareConsumer(natsUrl);
  try {
    const connected = said(clients, 'connected');
    const begun = performance.now();
    clients.send({ url, runIds, perRun: 100 } satisfies Wish);
    await connected;
    const connecting = performance.now() - begun;
    const memory = memoryOf(home, 'gateway') - before;
    // What comes from here on is live.
    await delay(1_000);
    clients.send({ url, runIds, perRun: 0, live: true } satisfies Wish);
    bare.begin();
    const ended = said(clients, 'ended');
    for (const taskId of tasks) {
      await flex.tasks.resolve(taskId, { resolution: 'approve' });
      await delay(1000 / RUNS_PER_SECOND);
    }
    const { latencies, streams } = await ended;
    return {
      bench: 'sse',
      streams: count,
      connectMs: round(connecting),
      kibPerStream: round((memory * 1024) / count),
      deliveries: latencies.length,
      p50: percentile(latencies, 0.5),
      p99: percentile(latencies, 0.99),
      bareP50: percentile(bare.latencies, 0.5),
      bareP99: percentile(bare.latencies, 0.99),
      lost: await lost(flex, streams),
    };
  } finally {
    clients.kill();
    await bare.stop();
  }
}

/** Streams that missed a frame, or did not end. */
async function lost(
  flex: ReturnType<typeof createFlex>,
  streams: { runId: string; ids: string; complete: boolean }[],
): Promise<number> {
  const whole = new Map<string, string>();
  for (const runId of new Set(streams.map((stream) => stream.runId))) {
    const ids: string[] = [];
    for await (const frame of flex.runs.watch(runId)) ids.push(frame.id);
    whole.set(runId, ids.join());
  }
  return streams.filter(({ runId, ids, complete }) => !complete || ids !== whole.get(runId)).length;
}

async function openTasks(flex: ReturnType<typeof createFlex>, count: number): Promise<string[]> {
  for (;;) {
    const { items } = await flex.tasks.list({ status: 'open', limit: 500 });
    if (items.length === count) return items.map((task) => task.taskId);
    await delay(100);
  }
}

function said<T extends Said['type']>(child: ChildProcess, type: T): Promise<Extract<Said, { type: T }>> {
  return new Promise((resolve, reject) => {
    child.on('message', (message: Said) => message.type === type && resolve(message as Extract<Said, { type: T }>));
    child.once('exit', () => reject(new Error('the clients of the benchmark ended')));
  });
}

/** The same messages as any subscriber gets them, without a gateway. */
async function bareConsumer(natsUrl: string) {
  const { servers, user, pass } = natsAccess(natsUrl);
  const nc = await connectNats({ url: servers.join(), name: 'bench-consumer', user, pass });
  const log = await openEventLog({ nc, source: 'gateway' });
  const tail = log.tail({ fromSeq: (await log.lastSeq()) + 1 });
  const latencies: number[] = [];
  let live = false;
  const reading = (async () => {
    for await (const batch of tail) {
      const now = Date.now();
      if (live) for (const event of batch) latencies.push(now - event.time);
    }
  })();
  return {
    latencies,
    begin: () => void (live = true),
    stop: async () => {
      tail.close();
      await reading;
      await nc.close();
    },
  };
}
