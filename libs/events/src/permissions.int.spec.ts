import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { NatsConnection } from '@nats-io/nats-core';
import { appendsOf, everySubject, type EventType, type Json, type NewEvent } from '@flex/contracts';
import {
  agentUsers,
  AppendRefused,
  Bucket,
  busUsers,
  connectNats,
  Durable,
  EventLog,
  ensureStreams,
  inboxPrefixFor,
  KvMirror,
  natsAuthorization,
  OUTCOMES_SUBJECT,
  PartitionLeases,
  readLogShape,
  permissionsOf,
  RegistryClient,
  serviceUsers,
  workerDurable,
  workerPermissions,
  type BusUser,
} from './index.js';
import { BucketWriter } from './bucket-writer.js';
import { HeaderBlock } from './headers.js';
import { publishUntilStored } from './publish.js';
import { pauseRequested, startNatsServer, type TestServer } from './testing/index.js';

jest.setTimeout(60_000);

const users = busUsers;

describe('permissions of the services', () => {
  let server: TestServer;
  const connections = new Map<BusUser, NatsConnection>();
  const logs = new Map<BusUser, EventLog>();
  /** A worker that is bound to one tenant. */
  const acme = { name: 'acme', password: 'secret-of-acme', ...workerPermissions('acme') };
  /** Agents with users of their own. */
  const agents = agentUsers([
    { user: 'writer', password: 'secret-of-writer', capabilities: ['agents.write'] },
    { user: 'reviewer', password: 'secret-of-reviewer', tenant: 'acme', capabilities: ['agents.review'] },
  ]);
  const connectAs = (user: string, inboxPrefix?: string): Promise<NatsConnection> =>
    connectNats({ url: server.url, name: user, user, pass: `secret-of-${user}`, inboxPrefix });
  const nc = (user: BusUser): NatsConnection => connections.get(user)!;
  const log = (user: BusUser): EventLog => logs.get(user)!;
  const append = (user: BusUser, event: object) => log(user).append(event as NewEvent);
  const publish = (user: BusUser, type: EventType | string) =>
    publishUntilStored(nc(user), `${type}.00.run`, new HeaderBlock(), Buffer.from('{}'));

  beforeAll(async () => {
    const passwords = Object.fromEntries(users.map((user) => [user, `secret-of-${user}`]));
    server = await startNatsServer({ config: natsAuthorization([...serviceUsers(passwords), acme, ...agents]) });
    // The services come up at once on an empty server; the worker finds the streams made.
    const order: BusUser[][] = [users.filter((user) => user !== 'worker'), ['worker']];
    for (const group of order) {
      await Promise.all(
        group.map(async (user) => {
          const connection = await connectAs(user, inboxPrefixFor(user));
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
    const everything = new Set(users.flatMap((user) => (user === 'operator' ? [] : appendsOf(user))));
    for (const user of users) {
      if (user === 'operator') continue;
      const mine = new Set(appendsOf(user));
      await expect(publish(user, [...mine][0]!)).resolves.toMatchObject({ duplicate: false });
      for (const type of everything) {
        if (mine.has(type)) continue;
        const refused = await publish(user, type).catch((error: unknown) => error);
        expect([user, type, (refused as Error).message]).toEqual([
          user,
          type,
          expect.stringContaining('not permitted'),
        ]);
        expect(refused).toBeInstanceOf(AppendRefused);
      }
    }
  });

  it('keep a service out of other services’ replies and of the log’s administration', () => {
    for (const user of users.filter((name) => name !== 'operator')) {
      const { publish: said, subscribe: heard } = permissionsOf(user);
      const inboxes = heard.filter((subject) => subject.startsWith('_INBOX'));
      expect(inboxes).toEqual([`${inboxPrefixFor(user)}.>`, ...(user === 'worker' ? ['_INBOX.>'] : [])]);
      expect(said.some((subject) => subject.startsWith('$JS.API.STREAM.DELETE'))).toBe(false);
      expect(said).not.toContain('>');
    }
  });

  it('let the services of the platform read, tail and work', async () => {
    await log('gateway').append(pauseRequested('readable', 'readable.1'));
    for (const user of users.filter((name) => name !== 'worker')) {
      const ids: string[] = [];
      for await (const event of log(user).readRun('readable')) ids.push(event.id);
      expect(ids).toEqual(['readable.1']);
      const tail = log(user).tail({ filters: ['*.*.*.readable'] });
      expect(await tail.next()).toHaveLength(1);
      tail.close();
      if (!['planner', 'policy', 'registry', 'operator'].includes(user)) continue;
      await takeOne(log(user), everySubject('run.pause_requested'));
    }
  });

  it('let a worker take its work, hear what is cancelled, and nothing else of the log', async () => {
    await append('orchestrator', dispatch('w1', 'agent.write'));
    await takeOne(log('worker'), everySubject('node.dispatched', 'agent.write'));
    const refusal = (filter: string, durable: string) => refusalOf(consumerOf(nc('worker'), filter, durable));
    expect(await refusal('node.dispatched.*.*.agent.write', 'mine')).toBeUndefined();
    for (const filter of ['>', 'run.>', 'run.submitted.>', 'node.>', 'plan.generated.>', 'hitl.requested.>']) {
      expect([filter, await refusal(filter, 'mine')]).toEqual([filter, 'refused']);
    }
    for (const durable of Object.values(Durable)) {
      expect(await refusal('node.dispatched.>', durable)).toBe('refused');
      const pull = nc('worker').request(`$JS.API.CONSUMER.MSG.NEXT.FLEX.${durable}`, '', { timeout: 500 });
      expect(await refusalOf(pull)).toBe('refused');
    }
    const other = nc('worker').request('$JS.API.DIRECT.GET.FLEX', '{"seq":1}', { timeout: 500 });
    expect(await refusalOf(other)).toBe('refused');
  });

  it('bind a worker to a tenant: it neither hears, reports nor registers for another', async () => {
    const bound = await connectAs('acme', '_INBOX_worker');
    const theirs = new EventLog(bound, 'worker', await readLogShape(bound));
    await append('orchestrator', dispatch('t1', '~acme.agent.write'));
    await takeOne(theirs, everySubject('node.dispatched', '~acme.agent.write'));
    const mine = { nodeId: 'n', attempt: 1, outputs: {} };
    const report = (runId: string, key: string) =>
      theirs.append({ type: 'node.reported', runId, id: `${runId}.${key}`, key, data: mine });
    await report('t1', '~acme.agent.write');
    for (const key of ['agent.write', '~other.agent.write']) {
      await expect(report('t1', key)).rejects.toThrow('not permitted');
      expect(await refusalOf(consumerOf(bound, `node.dispatched.*.*.${key}`, 'x'))).toBe('refused');
    }
    const beats = new BucketWriter(bound, Bucket.heartbeats);
    await beats.put('acme.agent.write.1', '', { ttlMs: 1_000 });
    await expect(beats.put('other.agent.write.1', '', { ttlMs: 1_000 })).rejects.toThrow('not permitted');
    const registry = new RegistryClient(bound, { timeoutMs: 500 });
    await expect(registry.heartbeat('agent.write', 'other')).rejects.toThrow('does not answer');
    await bound.close();
  });

  it('keep an agent with a user of its own to its own capabilities', async () => {
    const bound = await connectAs('writer', '_INBOX_writer');
    const theirs = new EventLog(bound, 'worker', await readLogShape(bound));
    await append('orchestrator', dispatch('a1', 'agents.write'));
    await append('orchestrator', dispatch('a1', '~acme.agents.review'));
    const mine = workerDurable('agents.write');
    await takeOne(theirs, everySubject('node.dispatched', 'agents.write'), mine);
    // The other agent works, so that its consumer is there to be meddled with.
    const other = workerDurable('~acme.agents.review');
    const reviewing = await connectAs('reviewer', '_INBOX_reviewer');
    const reviewer = new EventLog(reviewing, 'worker', await readLogShape(reviewing));
    await takeOne(reviewer, everySubject('node.dispatched', '~acme.agents.review'), other);

    const refusals: Record<string, Promise<unknown>> = {
      'another’s consumer': consumerOf(bound, 'node.dispatched.*.*.~acme.agents.review', other),
      'another’s work by a consumer of its own': consumerOf(bound, 'node.dispatched.*.*.~acme.agents.review', mine),
      'another’s consumer for something harmless': consumerOf(bound, '*.cancelled.>', other),
      'all work': consumerOf(bound, 'node.dispatched.>', mine),
      'pulling what is another’s': bound.request(`$JS.API.CONSUMER.MSG.NEXT.FLEX.${other}`, '', { timeout: 500 }),
      'deleting another’s consumer': bound.request(`$JS.API.CONSUMER.DELETE.FLEX.${other}`, '', { timeout: 500 }),
      'acknowledging for another': bound.request(`$JS.ACK.FLEX.${other}.1.1.1.1.1`, '+ACK', { timeout: 500 }),
      'pulling from the planner': bound.request('$JS.API.CONSUMER.MSG.NEXT.FLEX.planner', '', { timeout: 500 }),
      'another’s entry': bound.request('flex.registry.register.acme.agents.review', '{}', { timeout: 500 }),
      'any entries': bound.request('flex.registry.registerMany.default', '{}', { timeout: 500 }),
      facets: bound.request('flex.registry.publishFacets.default', '{}', { timeout: 500 }),
      'another’s dead letters': bound.request(`dead.${other}.FLEX.1`, '{}', { timeout: 500 }),
      'the capabilities of all': bound.request(
        '$JS.API.CONSUMER.CREATE.KV_flex_registry.x.$KV.flex_registry.cap.>',
        '{}',
        { timeout: 500 },
      ),
    };
    for (const [what, attempt] of Object.entries(refusals))
      expect([what, await refusalOf(attempt)]).toEqual([what, 'refused']);
    const report = (key: string) =>
      theirs.append({
        type: 'node.reported',
        runId: 'a1',
        id: `a1.${key}`,
        key,
        data: { nodeId: 'n', attempt: 1, outputs: {} },
      });
    await report('agents.write');
    await expect(report('~acme.agents.review')).rejects.toThrow('not permitted');
    const beats = new BucketWriter(bound, Bucket.heartbeats);
    await beats.put('default.agents.write.1', '', { ttlMs: 1_000 });
    await expect(beats.put('acme.agents.review.1', '', { ttlMs: 1_000 })).rejects.toThrow('not permitted');
    const overheard = await new Promise((resolve) => {
      bound.subscribe('_INBOX_reviewer.>', { callback: (error) => resolve(error?.message) });
    });
    expect(overheard).toMatch(/permissions violation/i);
    // What it hears of the registry: facets of its own tenant and the shared ones.
    await new BucketWriter(nc('registry'), Bucket.registry).put('facet.default.copy', '{}');
    const mirror = new KvMirror({ nc: bound, bucket: Bucket.registry, keys: ['facet.default.>'] });
    await mirror.ready;
    expect(mirror.has('facet.default.copy')).toBe(true);
    mirror.close();
    await Promise.all([bound.close(), reviewing.close()]);
  });

  it('let large payloads pass through the object store', async () => {
    const reason = 'x'.repeat(300_000);
    await log('gateway').append(pauseRequested('large', 'large.1', reason));
    for (const user of users) {
      if (user === 'worker') continue;
      for await (const event of log(user).readRun('large')) expect(event.data).toMatchObject({ reason });
    }
    expect(await log('gateway').purgeRun('large')).toBe(1);
    const outputs = { copy: reason };
    const data = { nodeId: 'n', attempt: 1, outputs };
    await append('worker', { type: 'node.reported', runId: 'large', id: 'large.2', key: 'agent.write', data });
    for await (const event of log('orchestrator').readRun('large')) expect(event.data).toMatchObject({ outputs });
    await append('orchestrator', dispatch('large', 'agent.large', { copy: reason }));
    await takeOne(log('worker'), everySubject('node.dispatched', 'agent.large'));
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

  it('let the orchestrator alone tell the registry how calls ended', async () => {
    const heard: string[] = [];
    const subscription = nc('registry').subscribe(OUTCOMES_SUBJECT, {
      callback: (_, message) => void heard.push(message.string()),
    });
    await nc('registry').flush();
    nc('worker').publish(OUTCOMES_SUBJECT, 'worker');
    await nc('worker').flush();
    nc('orchestrator').publish(OUTCOMES_SUBJECT, 'orchestrator');
    await until(() => heard.length > 0);
    expect(heard).toEqual(['orchestrator']);
    subscription.unsubscribe();
  });

  it('let the registry answer questions', async () => {
    const subscription = nc('registry').subscribe('flex.registry.test.default', {
      callback: (_, message) => void message.respond('answer'),
    });
    await nc('registry').flush();
    const reply = await nc('worker').request('flex.registry.test.default', '?');
    expect(reply.string()).toBe('answer');
    subscription.unsubscribe();
  });
});

/** Waits for a condition that other things make true. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

const dispatch = (runId: string, key: string, inputs: Record<string, Json> = {}) => ({
  type: 'node.dispatched',
  runId,
  id: `dispatch.${runId}.${key}`,
  key,
  data: {
    nodeId: 'n',
    attempt: 1,
    planVersion: 1,
    capabilityId: 'agent.write',
    kind: 'execution',
    inputs,
    outputFacets: [],
    timeoutMs: 1_000,
    idempotencyKey: 'k',
  },
});

/** Takes one message as a worker does: durable consumer, pull, ack. */
async function takeOne(
  log: EventLog,
  filter: string,
  durable = `work-${Math.random()}`.replace('.', '-'),
): Promise<void> {
  let finish!: () => void;
  const taken = new Promise<void>((resolve) => (finish = resolve));
  const worker = log.work({ durable, filters: [filter], handler: finish });
  await taken;
  await worker.stop();
}

const consumerOf = (nc: NatsConnection, filter: string, name: string) =>
  nc.request(
    `$JS.API.CONSUMER.CREATE.FLEX.${name}.${filter}`,
    JSON.stringify({
      stream_name: 'FLEX',
      config: { name, filter_subject: filter, ack_policy: 'none', inactive_threshold: 1_000_000_000 },
    }),
    { timeout: 500 },
  );

/** `refused` by the permissions of the user, or undefined; any other failure fails the test. */
const refusalOf = (request: Promise<unknown>): Promise<'refused' | undefined> =>
  request.then(
    () => undefined,
    (error: Error) => {
      if (/permissions violation/i.test(`${error.message} ${String(error.cause)}`)) return 'refused' as const;
      throw error;
    },
  );
