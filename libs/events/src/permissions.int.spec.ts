import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { NatsConnection } from '@nats-io/nats-core';
import { appendsOf, everySubject, type EventType } from '@flex/contracts';
import {
  AppendRefused,
  Bucket,
  connectNats,
  EventLog,
  ensureStreams,
  inboxPrefixFor,
  KvMirror,
  natsAuthorization,
  PartitionLeases,
  permissionsOf,
  type BusUser,
} from './index.js';
import { BucketWriter } from './bucket-writer.js';
import { HeaderBlock } from './headers.js';
import { publishUntilStored } from './publish.js';
import { pauseRequested, startNatsServer, type TestServer } from './testing/index.js';

jest.setTimeout(60_000);

const users: BusUser[] = ['gateway', 'planner', 'policy', 'registry', 'orchestrator', 'worker', 'operator'];

describe('permissions of the services', () => {
  let server: TestServer;
  const connections = new Map<BusUser, NatsConnection>();
  const logs = new Map<BusUser, EventLog>();
  const nc = (user: BusUser): NatsConnection => connections.get(user)!;
  const log = (user: BusUser): EventLog => logs.get(user)!;
  const publish = (user: BusUser, type: EventType | string) =>
    publishUntilStored(nc(user), `${type}.00.run`, new HeaderBlock(), Buffer.from('{}'));

  beforeAll(async () => {
    const passwords = Object.fromEntries(users.map((user) => [user, `secret-of-${user}`]));
    server = await startNatsServer({ config: natsAuthorization(passwords) });
    // The services come up at once on an empty server; the worker finds the streams made.
    const order: BusUser[][] = [users.filter((user) => user !== 'worker'), ['worker']];
    for (const group of order) {
      await Promise.all(
        group.map(async (user) => {
          const connection = await connectNats({
            url: server.url.replace('//', `//${user}:secret-of-${user}@`),
            name: user,
            inboxPrefix: inboxPrefixFor(user),
          });
          connections.set(user, connection);
          const shape = await ensureStreams(connection);
          logs.set(user, new EventLog(connection, user === 'operator' ? 'gateway' : user, shape));
        }),
      );
    }
  });
  afterAll(async () => {
    await Promise.all([...connections.values()].map((connection) => connection.close()));
    await server?.stop();
  });

  it('let each service append its own events and nobody else’s', async () => {
    for (const user of users) {
      if (user === 'operator') continue;
      const mine = appendsOf(user)[0]!;
      await expect(publish(user, mine)).resolves.toMatchObject({ duplicate: false });
    }
    const others: [BusUser, EventType][] = [
      ['worker', 'node.completed'],
      ['worker', 'node.dispatched'],
      ['gateway', 'plan.generated'],
      ['gateway', 'run.completed'],
      ['planner', 'plan.generated'],
      ['policy', 'plan.drafted'],
      ['registry', 'node.reported'],
      ['orchestrator', 'node.reported'],
      ['planner', 'partition.claimed'],
    ];
    for (const [user, type] of others) {
      const refused = await publish(user, type).catch((error: unknown) => error);
      expect(refused).toBeInstanceOf(AppendRefused);
      expect((refused as Error).message).toContain('not permitted');
    }
  });

  it('keep a service out of other services’ replies and of the log’s administration', () => {
    for (const user of users.filter((name) => name !== 'operator')) {
      const { publish: said, subscribe: heard } = permissionsOf(user);
      expect(heard.filter((subject) => subject.startsWith('_INBOX'))).toEqual([`${inboxPrefixFor(user)}.>`]);
      expect(said.some((subject) => subject.startsWith('$JS.API.STREAM.DELETE'))).toBe(false);
      expect(said).not.toContain('>');
    }
  });

  it('let everybody read, tail and work', async () => {
    await log('gateway').append(pauseRequested('readable', 'readable.1'));
    for (const user of users) {
      const ids: string[] = [];
      for await (const event of log(user).readRun('readable')) ids.push(event.id);
      expect(ids).toEqual(['readable.1']);
      const tail = log(user).tail({ filters: ['*.*.*.readable'] });
      expect(await tail.next()).toHaveLength(1);
      tail.close();
      const worker = log(user).work({
        durable: `work-${user}`,
        filters: [everySubject('run.pause_requested')],
        handler: () => finish(),
      });
      let finish!: () => void;
      await new Promise<void>((resolve) => (finish = resolve));
      await worker.stop();
    }
  });

  it('let large payloads pass through the object store', async () => {
    const reason = 'x'.repeat(300_000);
    await log('gateway').append(pauseRequested('large', 'large.1', reason));
    for (const user of users) {
      for await (const event of log(user).readRun('large')) expect(event.data).toMatchObject({ reason });
    }
    expect(await log('gateway').purgeRun('large')).toBe(1);
  });

  it('let the orchestrator claim and lease, the registry keep its buckets, workers send heartbeats', async () => {
    expect(await log('orchestrator').claimPartition(1, 'me')).toBeDefined();
    const acquired = new Set<number>();
    const leases = new PartitionLeases({
      nc: nc('orchestrator'),
      owner: 'me',
      partitions: 4,
      onAcquired: (partition) => void acquired.add(partition),
      onReleased: (partition) => void acquired.delete(partition),
    });
    await until(() => acquired.size === 4);
    await leases.stop();
    await new BucketWriter(nc('registry'), Bucket.registry).put('cap.default.x', '{}');
    await new BucketWriter(nc('worker'), Bucket.heartbeats).put('default.x.1', '{}', { ttlMs: 1_000 });
    await expect(new BucketWriter(nc('worker'), Bucket.registry).put('cap.default.x', '{}')).rejects.toThrow(
      'not permitted',
    );
    const mirror = new KvMirror({ nc: nc('planner'), bucket: Bucket.registry });
    await mirror.ready;
    expect(mirror.has('cap.default.x')).toBe(true);
    mirror.close();
  });

  it('let the registry answer questions', async () => {
    const subscription = nc('registry').subscribe('flex.registry.test', {
      callback: (_, message) => void message.respond('answer'),
    });
    await nc('registry').flush();
    const reply = await nc('worker').request('flex.registry.test', '?');
    expect(reply.string()).toBe('answer');
    subscription.unsubscribe();
  });
});

/** Waits for a condition that other things make true. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}
