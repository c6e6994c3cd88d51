import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { NatsConnection } from '@nats-io/nats-core';
import { Bucket, kvCreate, kvDelete, KvMirror, kvPut, type KvChange } from './index.js';
import { openTestLog, startNatsServer, type TestServer } from './testing/index.js';

jest.setTimeout(60_000);

describe('a mirror of a bucket', () => {
  let server: TestServer;
  let nc: NatsConnection;
  let mirror: KvMirror<unknown>;
  let changes: KvChange<unknown>[];
  const open = (keys?: string): KvMirror<unknown> =>
    new KvMirror<unknown>({ nc, bucket: Bucket.heartbeats, keys, onChange: (batch) => void changes.push(...batch) });
  const put = (key: string, value: unknown, options = {}) => kvPut(nc, Bucket.heartbeats, key, value, options);

  beforeEach(async () => {
    server = await startNatsServer();
    ({ nc } = await openTestLog(server));
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
    await kvDelete(nc, Bucket.heartbeats, 'b');
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
    expect(await kvCreate(nc, Bucket.heartbeats, 'beat', 2)).toBeGreaterThan(0);
  });

  it('misses nothing while the server is away or its consumer is lost', async () => {
    await Promise.all(Array.from({ length: 20 }, (_, i) => put(`key.${i}`, i)));
    await put('short', 1, { ttlMs: 1_000 });
    mirror = open();
    await mirror.ready;
    await server.kill();
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    await server.start();
    await put('key.3', 'new');
    await kvDelete(nc, Bucket.heartbeats, 'key.4');
    await until(() => mirror.get('key.3') === 'new' && !mirror.has('key.4') && !mirror.has('short'));
    expect(mirror.size).toBe(19);
  });

  it('writes on condition', async () => {
    mirror = open();
    const first = await kvCreate(nc, Bucket.heartbeats, 'k', 1);
    expect(await kvCreate(nc, Bucket.heartbeats, 'k', 2)).toBeUndefined();
    expect(await put('k', 2, { expected: 999 })).toBeUndefined();
    expect(await put('k', 2, { expected: first })).toBeGreaterThan(first!);
    await expect(put('no spaces', 1)).rejects.toThrow('not a key');
  });
});

/** Waits for a condition that other things make true. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}
