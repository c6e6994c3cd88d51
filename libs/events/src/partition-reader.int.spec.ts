import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { NatsConnection } from '@nats-io/nats-core';
import type { EventLog, Tail } from './index.js';
import { PartitionReader } from './partition-reader.js';
import { openTestLog, pauseRequested, startNatsServer, type TestServer } from './testing/index.js';

jest.setTimeout(60_000);

/** Owners of several partitions in one process share one consumer, and must not notice. */
describe('partitions that share a feed', () => {
  let server: TestServer;
  let nc: NatsConnection;
  let log: EventLog;
  let writer: EventLog;
  let writing: NatsConnection;
  const tails: Tail[] = [];

  beforeEach(async () => {
    server = await startNatsServer();
    ({ nc, log } = await openTestLog(server, { partitions: 8 }));
    ({ nc: writing, log: writer } = await openTestLog(server, { name: 'writer' }));
  });
  afterEach(async () => {
    for (const tail of tails.splice(0)) tail.close();
    await Promise.all([nc.close(), writing.close()]);
    await server.stop();
  });

  /** Follows each partition and keeps what it brings; `pause` makes an owner slow. */
  function follow(pause: (partition: number) => Promise<void> = () => Promise.resolve()): Map<number, number[]> {
    const seen = new Map<number, number[]>();
    for (let partition = 0; partition < 8; partition += 1) {
      const seqs: number[] = [];
      seen.set(partition, seqs);
      const tail = log.tail({ partitions: [partition] });
      tails.push(tail);
      void (async () => {
        for await (const batch of tail) {
          for (const event of batch) {
            expect(event.partition).toBe(partition);
            seqs.push(event.seq);
          }
          await pause(partition);
        }
      })();
    }
    return seen;
  }

  let written = 0;
  const append = async (count: number): Promise<void> => {
    const events = Array.from({ length: count }, () => pauseRequested(`run-${written % 97}`, `e${(written += 1)}`));
    for (let i = 0; i < count; i += 100) {
      await Promise.all(events.slice(i, i + 100).map((event) => writer.append(event)));
    }
  };
  /** Every sequence of the log once, and each partition in order. */
  const expectAll = async (seen: Map<number, number[]>): Promise<void> => {
    const last = await log.lastSeq();
    await until(() => [...seen.values()].flat().length >= last);
    for (const seqs of seen.values()) expect(seqs).toEqual([...seqs].sort((a, b) => a - b));
    expect([...seen.values()].flat().sort((a, b) => a - b)).toEqual(Array.from({ length: last }, (_, i) => i + 1));
  };
  const consumers = async (): Promise<number> =>
    (await (await log.manager()).streams.info('FLEX')).state.consumer_count;

  it('see everything once, in order, while events are appended without pause', async () => {
    await append(2_000);
    const appending = append(4_000);
    const seen = follow();
    await appending;
    await append(500);
    await expectAll(seen);
  });

  it('end up on one consumer for all', async () => {
    const seen = follow();
    await append(200);
    while ((await consumers()) !== 1) await append(50);
    await append(200);
    await expectAll(seen);
    for (const tail of tails) tail.close();
    while ((await consumers()) !== 0);
  });

  it('survive a killed server, also in the middle of joining', async () => {
    await append(1_000);
    const seen = follow();
    const appending = append(3_000);
    await until(() => [...seen.values()].flat().length > 1_200);
    await server.kill();
    await server.start();
    await appending;
    await expectAll(seen);
  });

  it('do not wait for a slow one, and it misses nothing', async () => {
    let release!: () => void;
    const gate = new Promise<void>((resolve) => (release = resolve));
    const seen = follow((partition) => (partition === 3 ? gate : Promise.resolve()));
    await append(100);
    await append(6_000);
    const others = (): number => [...seen].filter(([p]) => p !== 3).flatMap(([, seqs]) => seqs).length;
    const slow = (): number => seen.get(3)!.length;
    await until(() => others() > 4_000);
    expect(slow()).toBeLessThan(600);
    release();
    await expectAll(seen);
  });

  it('let one read for itself that falls too far behind, and take it back', async () => {
    const runId = Array.from({ length: 50 }, (_, i) => `r${i}`).find((id) => log.partitionOf(id) === 3)!;
    const burst = (count: number, name: string) =>
      Promise.all(Array.from({ length: count }, (_, i) => writer.append(pauseRequested(runId, `${name}.${i}`))));
    // Others that are read in this process, so that a feed for all is worthwhile.
    for (let others = 0; others < 3; others += 1) log.feed.enter();
    const reader = new PartitionReader({ nc, feed: log.feed, partition: '03', maxWaiting: 20 });
    const seqs: number[] = [];
    const drain = async (): Promise<void> => {
      const last = await log.lastSeq();
      while ((seqs.at(-1) ?? 0) < last)
        for (const { delivery } of (await reader.take(7)) ?? []) seqs.push(delivery.seq);
    };
    const nudgeUntil = async (name: string, condition: () => boolean): Promise<void> => {
      for (let i = 0; !condition(); i += 1) {
        await burst(1, `${name}${i}`);
        await drain();
      }
    };
    await nudgeUntil('join', () => reader.isShared);
    await burst(200, 'burst');
    await until(() => !reader.isShared);
    await drain();
    await nudgeUntil('again', () => reader.isShared);
    await burst(10, 'last');
    await drain();
    reader.close();
    const total = await log.lastSeq();
    expect(seqs).toEqual(Array.from({ length: total }, (_, i) => i + 1));
  });
});

/** Waits for a condition that other things make true. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}
