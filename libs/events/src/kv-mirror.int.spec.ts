import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { NatsConnection } from '@nats-io/nats-core';
import {
  Bucket,
  BucketWriter,
  KvMirror,
  LogUnavailable,
  StaleRevision,
  type KvChange,
  type PutOptions,
} from './index.js';
import { openTestLog, startNatsServer, type TestServer } from './testing/index.js';

jest.setTimeout(60_000);

describe('a mirror of a bucket', () => {
  let server: TestServer;
  let nc: NatsConnection;
  let mirror: KvMirror<unknown>;
  let changes: KvChange<unknown>[];
  let bucket: BucketWriter;
  const open = (...keys: string[]): KvMirror<unknown> =>
    new KvMirror<unknown>({
      nc,
      bucket: Bucket.heartbeats,
      keys: keys.length > 0 ? keys : undefined,
      onChange: (batch) => void changes.push(...batch),
    });
  const put = (key: string, value: unknown, options: PutOptions = {}) =>
    bucket.put(key, JSON.stringify(value), options);

  beforeEach(async () => {
    server = await startNatsServer();
    ({ nc } = await openTestLog(server));
    bucket = new BucketWriter(nc, Bucket.heartbeats);
    changes = [];
  });
  afterEach(async () => {
    mirror.close();
    await nc.close();
    await server.stop();
  });

  it('is ready with what lies there and follows every change, with revisions', async () => {
    await put('a', 1);
    const last = await put('b', { deep: true });
    mirror = open();
    await mirror.ready;
    expect([...mirror.entries()]).toEqual([
      ['a', 1],
      ['b', { deep: true }],
    ]);
    expect(mirror.revision).toBe(last);
    await put('a', 2);
    await bucket.remove('b');
    await until(() => !mirror.has('b'));
    expect(mirror.get('a')).toBe(2);
    expect(changes.at(-1)).toMatchObject({ kind: 'removed', key: 'b', expired: false });
  });

  it('is ready at once when the bucket is empty, and sees only its keys', async () => {
    mirror = open('mine.>');
    await mirror.ready;
    expect(mirror.size).toBe(0);
    await put('yours.x', 1);
    await put('mine.x', 1);
    await until(() => mirror.has('mine.x'));
    expect(mirror.has('yours.x')).toBe(false);
  });

  it('sees keys expire by themselves', async () => {
    mirror = open();
    await put('beat', 1, { ttlMs: 1_000 });
    await until(() => mirror.has('beat'));
    await until(() => !mirror.has('beat'));
    expect(changes.at(-1)).toMatchObject({ kind: 'removed', key: 'beat', expired: true });
    expect(await bucket.create('beat', '2')).toBeGreaterThan(0);
  });

  it('misses nothing while the server is away or its consumer is lost', async () => {
    await Promise.all(Array.from({ length: 20 }, (_, i) => put(`key.${i}`, i)));
    await put('short', 1, { ttlMs: 1_000 });
    mirror = open();
    await mirror.ready;
    await server.kill();
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    await server.start();
    await insistently(() => put('key.3', 'new'));
    await insistently(() => bucket.remove('key.4'));
    await until(() => mirror.get('key.3') === 'new' && !mirror.has('key.4') && !mirror.has('short'));
    expect(mirror.size).toBe(19);
  });

  it('writes on condition', async () => {
    mirror = open();
    const first = await bucket.create('k', '1');
    await expect(bucket.create('k', '2')).rejects.toThrow(StaleRevision);
    await expect(put('k', 2, { expected: 999 })).rejects.toThrow(StaleRevision);
    expect(await put('k', 2, { expected: first })).toBeGreaterThan(first);
    await bucket.remove('k');
    expect(await bucket.create('k', '3')).toBeGreaterThan(first);
  });
});

/** Repeats what a server that is just coming back did not answer. */
async function insistently<T>(action: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await action();
    } catch (error) {
      if (!(error instanceof LogUnavailable)) throw error;
    }
  }
}

/** Waits for a condition that other things make true. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}
