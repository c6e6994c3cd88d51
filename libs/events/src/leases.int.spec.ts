import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { NatsConnection } from '@nats-io/nats-core';
import { PartitionLeases, connectNats } from './index.js';
import { openTestLog, startNatsServer, type TestServer } from './testing/index.js';

jest.setTimeout(60_000);

describe('leases of partitions', () => {
  let server: TestServer;
  let nc: NatsConnection;
  const replicas: Replica[] = [];

  class Replica {
    readonly working = new Set<number>();
    readonly leases: PartitionLeases;
    constructor(
      readonly name: string,
      readonly nc: NatsConnection,
    ) {
      this.leases = new PartitionLeases({
        nc,
        owner: name,
        partitions: 16,
        ttlMs: 2_000,
        onAcquired: (partition) => void this.working.add(partition),
        onReleased: (partition) => void this.working.delete(partition),
      });
      replicas.push(this);
    }
  }
  const replica = async (name: string): Promise<Replica> =>
    new Replica(name, await connectNats({ url: server.url, name }));
  const shared = (...all: Replica[]): boolean => {
    const held = all.flatMap(({ working }) => [...working]);
    const fair = all.every(({ working }) => working.size >= Math.floor(16 / all.length));
    return fair && held.length === 16 && new Set(held).size === 16;
  };

  beforeEach(async () => {
    server = await startNatsServer();
    ({ nc } = await openTestLog(server));
  });
  afterEach(async () => {
    await Promise.all(replicas.splice(0).map(async (each) => (await each.leases.stop(), each.nc.close())));
    await nc.close();
    await server.stop();
  });

  it('go to the only replica, are shared fairly with a second and third, and come back', async () => {
    const a = await replica('a');
    await until(() => shared(a));
    const b = await replica('b');
    await until(() => shared(a, b));
    const c = await replica('c');
    await until(() => shared(a, b, c));
    await b.leases.stop();
    await until(() => shared(a, c));
  });

  it('of a replica that vanished go to the others within seconds', async () => {
    const [a, b] = [await replica('a'), await replica('b')];
    await until(() => shared(a, b));
    const start = Date.now();
    await b.nc.close();
    await until(() => shared(a));
    expect(Date.now() - start).toBeLessThan(6_000);
  });

  it('of a replica that died are there at once when it comes back under its name', async () => {
    const [a, b] = [await replica('a'), await replica('b')];
    await until(() => shared(a, b));
    const before = [...b.working];
    // As after kill -9: nothing is given back.
    await b.nc.close();
    const start = performance.now();
    const again = await replica('b');
    await until(() => again.working.size === before.length);
    // Far less than the two seconds of a lease.
    expect(performance.now() - start).toBeLessThan(1_000);
    expect([...again.working].sort()).toEqual(before.sort());
    expect(shared(a, again)).toBe(true);
  });

  it('go to the later one of two that live under one name by mistake, and stay there', async () => {
    const first = await replica('a');
    await until(() => shared(first));
    const second = await replica('a');
    await until(() => shared(second) && first.working.size === 0);
    // Two renewals later nothing has moved.
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    expect([first.working.size, second.working.size]).toEqual([0, 16]);
  });

  it('survive a restart of the server', async () => {
    const [a, b] = [await replica('a'), await replica('b')];
    await until(() => shared(a, b));
    await server.kill();
    await server.start();
    const c = await replica('c');
    await until(() => shared(a, b, c));
  });
});

/** Waits for a condition that other things make true. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}
