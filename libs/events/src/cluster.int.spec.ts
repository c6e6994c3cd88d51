import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { NatsConnection } from '@nats-io/nats-core';
import { Readable } from 'node:stream';
import {
  connectNats,
  ensureStreams,
  FenceLost,
  LOG_STREAM,
  openEventLog,
  readLogShape,
  restoreStream,
  saveStream,
  ThreadClaims,
  type EventLog,
} from './index.js';
import { pauseRequested, startNatsCluster, startNatsServer, type TestCluster } from './testing/index.js';

jest.setTimeout(120_000);

/** The same promises on a stream of three replicas whose leader is killed under load. */
describe('the log in a cluster of three', () => {
  let cluster: TestCluster;
  const connections: NatsConnection[] = [];
  let log: EventLog;

  const open = async (name: string): Promise<EventLog> => {
    const nc = await connectNats({ url: cluster.url, name });
    connections.push(nc);
    for (;;) {
      try {
        return await openEventLog({ nc, source: 'orchestrator', shape: await ensureStreams(nc, { replicas: 3 }) });
      } catch {
        // The cluster is still electing its leader.
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  };

  beforeAll(async () => {
    cluster = await startNatsCluster(3);
    log = await open('first');
  });
  afterAll(async () => {
    await Promise.all(connections.map((nc) => nc.close()));
    await cluster?.stop();
  });

  const leader = async (): Promise<number> => {
    const info = await (await log.manager()).streams.info('FLEX');
    return Number(info.cluster?.leader?.slice(1));
  };

  it('knows that it is replicated', () => {
    expect(log.shape).toEqual({ partitions: 16, replicas: 3 });
  });

  it('refuses an owner of before, and keeps the order of the present one', async () => {
    const other = await open('second');
    const partition = log.partitionOf('run');
    const stale = log.fencedWriter((await log.claimPartition(partition, 'a'))!);
    await Promise.all(range(50).map((i) => stale.append(pauseRequested('run', `a.${i}`))));
    const owner = other.fencedWriter((await other.claimPartition(partition, 'b'))!);
    const results = await Promise.allSettled([
      ...range(20).map((i) => stale.append(pauseRequested('run', `stale.${i}`))),
      ...range(50).map((i) => owner.append(pauseRequested('run', `b.${i}`))),
    ]);
    expect(results.slice(0, 20).every((r) => r.status === 'rejected' && r.reason instanceof FenceLost)).toBe(true);
    const ids: string[] = [];
    for await (const event of log.readRun('run')) ids.push(event.id);
    expect(ids).toEqual([...range(50).map((i) => `a.${i}`), ...range(50).map((i) => `b.${i}`)]);
  });

  it('gives a thread to one of many who want it at once', async () => {
    const others = [new ThreadClaims(log), new ThreadClaims(await open('third'))];
    const subject = ThreadClaims.subjectOf('default', 'wanted');
    let seq = 0;
    for (let round = 0; round < 20; round++) {
      const takes = await Promise.all(
        range(6).map((i) => others[i % 2]!.take(subject, seq, { runId: `r${round}-${i}`, open: [] })),
      );
      const won = takes.filter((claim) => claim !== undefined);
      expect(won).toHaveLength(1);
      seq = won[0]!.seq;
    }
  });

  it('goes on in a single server, from its copy', async () => {
    const chunks: Uint8Array[] = [];
    const copy = await saveStream(log.nc, LOG_STREAM, async (chunk) => void chunks.push(Buffer.from(chunk)));
    expect(copy.config.num_replicas).toBe(3);
    const alone = await startNatsServer();
    const nc = await connectNats({ url: alone.url, name: 'alone' });
    try {
      await restoreStream(nc, { ...copy, config: { ...copy.config, num_replicas: 1 } }, Readable.from(chunks));
      const there = await openEventLog({ nc, source: 'orchestrator', shape: await readLogShape(nc) });
      expect(there.shape).toEqual({ partitions: 16, replicas: 1 });
      expect(await there.lastSeq()).toBe(copy.state.last_seq);
      const idsOf = async (from: EventLog) => {
        const ids: string[] = [];
        for await (const event of from.readRun('run')) ids.push(event.id);
        return ids;
      };
      expect(await idsOf(there)).toEqual(await idsOf(log));
      expect((await there.append(pauseRequested('run', 'and.on'))).seq).toBe(copy.state.last_seq + 1);
    } finally {
      await nc.close();
      await alone.stop();
    }
  });

  it('loses and repeats nothing when its leader is killed under load, twice', async () => {
    const total = 2_000;
    const writer = log.fencedWriter((await log.claimPartition(log.partitionOf('killed'), 'owner'))!);
    const seen: string[] = [];
    const tail = log.tail({ filters: ['*.*.*.killed'] });
    const reading = (async () => {
      for await (const batch of tail) {
        for (const event of batch) seen.push(event.id);
        if (seen.length >= total) return;
      }
    })();
    let stored = 0;
    const writing = range(total).map((i) =>
      writer.append(pauseRequested('killed', `k.${i}`)).then(() => {
        stored += 1;
      }),
    );
    for (const mark of [200, 1_000]) {
      await until(() => stored >= mark);
      const server = cluster.servers[await leader()];
      await server?.kill();
      await server?.start();
    }
    await Promise.all([...writing, reading]);
    expect(seen).toEqual(range(total).map((i) => `k.${i}`));
  });
});

const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** Waits for a condition that other things make true. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}
