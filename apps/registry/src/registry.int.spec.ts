import { jest } from '@jest/globals';
import { sql } from 'kysely';
import { jetstreamManager } from '@nats-io/jetstream';
import { Kvm } from '@nats-io/kv';
import { Rejection, type Capability, type Facet } from '@flex/contracts';
import {
  Bucket,
  BucketWriter,
  connectNats,
  EventLog,
  kvStream,
  lastAnnouncements,
  OUTCOMES_SUBJECT,
  readLogShape,
  RegistryClient,
  RegistryMirror,
} from '@flex/events';
import { connectPostgres } from '@flex/events/postgres';
import { bootService, type RunningService } from '@flex/events/service';
import { startNats, startPostgres, type TestNats, type TestPostgres } from '@flex/embedded/testing';
import { RegistryConfig } from './registry.config.js';
import { RegistryModule } from './registry.module.js';

const facet = (name: string, more: Partial<Facet> = {}): Facet => ({
  name,
  schema: { type: 'string' },
  direction: 'bidirectional',
  ...more,
});
const capability = (capabilityId: string, more: Partial<Capability> = {}): Capability => ({
  capabilityId,
  version: '1',
  displayName: capabilityId,
  kind: 'execution',
  agentType: 'ai',
  inputFacets: [{ facet: 'brief' }],
  outputFacets: ['copy'],
  ...more,
});
const until = async (holds: () => boolean | Promise<boolean>, what = 'it'): Promise<void> => {
  const deadline = Date.now() + 15_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`${what} did not happen`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};
const refusal = async (promise: Promise<unknown>) => {
  try {
    await promise;
  } catch (error) {
    if (error instanceof Rejection) return error.problem;
    throw error;
  }
  throw new Error('was not refused');
};

describe('the registry', () => {
  let nats: TestNats;
  let postgres: TestPostgres;
  let nc: Awaited<ReturnType<typeof connectNats>>;
  let client: RegistryClient;
  let services: RunningService<RegistryConfig>[];
  let mirror: RegistryMirror;

  const boot = async (settleMs = 50): Promise<RunningService<RegistryConfig>> => {
    const service = await bootService({
      name: 'registry',
      config: RegistryConfig,
      module: RegistryModule,
      env: {
        NATS_URL: nats.url,
        DATABASE_URL: postgres.url,
        FLEX_LOG_LEVEL: process.env['FLEX_TEST_LOG'] ?? 'silent',
        FLEX_REGISTRY_SETTLE_MS: String(settleMs),
      },
    });
    services.push(service);
    return service;
  };
  const statusOf = (id: string): string | undefined => mirror.snapshot().capabilities.get(id)?.status;
  const log = async (): Promise<EventLog> => new EventLog(nc, 'registry', await readLogShape(nc));
  const announced = async (type: string, name: string): Promise<boolean> =>
    (await lastAnnouncements(await log())).some((fact) => fact.type === type && fact.name === name);

  beforeEach(async () => {
    [nats, postgres] = await Promise.all([startNats(), startPostgres()]);
    services = [];
    await boot();
    nc = await connectNats({ url: nats.url, name: 'test' });
    client = new RegistryClient(nc);
    mirror = new RegistryMirror(nc);
    await mirror.ready;
  });
  afterEach(async () => {
    mirror.close();
    await Promise.all(services.map((service) => service.stop()));
    await nc.close();
    await Promise.all([nats.stop(), postgres.stop()]);
  });

  it('knows who is well from what is told about calls, writes it seldom, and keeps it over a restart', async () => {
    await client.registerMany({
      facets: [facet('brief'), facet('copy')],
      capabilities: [capability('agent.write'), capability('agent.rival')],
    });
    const told = (succeeded: number, failed: number, capabilityId = 'agent.write'): void =>
      nc.publish(
        OUTCOMES_SUBJECT,
        JSON.stringify({ outcomes: [{ tenant: 'default', capabilityId, succeeded, failed }] }),
      );
    const healthOf = (id: string): number | undefined => mirror.snapshot().capabilities.get(id)?.health;
    told(20, 0);
    told(3, 5, 'agent.unknown');
    nc.publish(OUTCOMES_SUBJECT, 'no json');
    told(0, 25);
    await until(() => healthOf('agent.write') === 0.48, 'health of half good, half bad calls');
    expect(mirror.snapshot().capabilities.get('agent.write')!.calls).toMatchObject({
      succeeded: expect.closeTo(20, 0),
      failed: expect.closeTo(25, 0),
    });
    expect(healthOf('agent.rival')).toBeUndefined();
    const { revision } = mirror;
    for (let i = 0; i < 20; i += 1) told(1, 1);
    told(0, 40, 'agent.rival');
    await until(() => healthOf('agent.rival') !== undefined);
    // Twenty reports that said nothing new cost no revision of the registry.
    expect(mirror.revision).toBe(revision + 1);
    await services[0]!.stop();
    await boot();
    // Told again and again, as an orchestrator does: what is said before the new one listens is not heard.
    await until(() => {
      told(0, 5);
      return (healthOf('agent.write') ?? 1) < 0.1;
    });
    expect(await client.register(capability('agent.write'))).toMatchObject({ unchanged: true });
    told(500, 0);
    await until(() => healthOf('agent.write') === 1);
  });

  it.each([-86_400_000, 86_400_000])('dates what it hears by the log, with a clock that is %i ms off', async (skew) => {
    await client.registerMany({ facets: [facet('brief'), facet('copy')], capabilities: [capability('agent.write')] });
    const right = Date.now.bind(Date);
    const skewed = jest.spyOn(Date, 'now').mockImplementation(() => right() + skew);
    try {
      const outcomes = [{ tenant: 'default', capabilityId: 'agent.write', succeeded: 0, failed: 9 }];
      nc.publish(OUTCOMES_SUBJECT, JSON.stringify({ outcomes }));
      const known = () => mirror.snapshot().capabilities.get('agent.write');
      await until(() => known()?.calls !== undefined, 'its health');
      expect(Math.abs(known()!.calls!.at - right())).toBeLessThan(20_000);
    } finally {
      skewed.mockRestore();
    }
  });

  it('takes facets and capabilities, tells everybody, and stores them', async () => {
    expect(await client.publishFacet(facet('brief'))).toMatchObject({ version: 1, unchanged: false });
    expect(await client.publishFacet(facet('brief'))).toMatchObject({ version: 1, unchanged: true });
    expect(await client.publishFacet(facet('brief', { title: 'Brief' }))).toMatchObject({ version: 2 });
    await client.publishFacet(facet('copy'));
    const { revision } = await client.register(capability('agent.write'));
    await mirror.reached(revision);
    expect(mirror.snapshot().capabilities.get('agent.write')).toMatchObject({ status: 'active', tenant: 'default' });
    expect((await client.facetVersions('brief')).map(({ version }) => version)).toEqual([2, 1]);
    expect(await announced('capability.registered', 'agent.write')).toBe(true);
    expect(await client.register(capability('agent.write'))).toMatchObject({ unchanged: true });
    await client.deregister('agent.write');
    await until(() => statusOf('agent.write') === undefined);
    expect((await refusal(client.deregister('agent.write'))).code).toBe('not_found');
  });

  it('holds a question to the tenant and the capability that its subject names', async () => {
    const ask = async (subject: string, body: object) =>
      (await nc.request(`flex.registry.${subject}`, JSON.stringify(body))).json<{ problem?: { title: string } }>();
    const about = { capability: capability('agent.write') };
    expect((await ask('register.acme.agent.write', about)).problem?.title).toBe('Not your tenant');
    expect((await ask('register.default.agent.other', about)).problem?.title).toBe('Not your capability');
    expect((await ask('heartbeat.default.agent.other', { capabilityId: 'agent.write' })).problem?.title).toBe(
      'Not your capability',
    );
    await ask('publishFacets.default', { facets: [facet('copy', { extends: 'brief' }), facet('brief')] });
    expect((await ask('register.default.agent.write', about)).problem).toBeUndefined();
  });

  it('refuses with a pointer to the fault, and takes nothing of a request that has one', async () => {
    const problem = await refusal(
      client.registerMany({
        facets: [
          facet('good'),
          facet('a', { extends: 'b' }),
          facet('b', { extends: 'a' }),
          facet('c', { schema: { type: 'strin' } }),
          facet('d', { schema: { $ref: '#/$defs/none' } }),
          facet('e', { schema: { properties: { x: { pattern: '(a+)+' } } } }),
        ],
      }),
    );
    expect(problem).toMatchObject({ status: 422, code: 'invalid_facet' });
    const at = new Set(problem.errors?.map(({ pointer }) => pointer));
    expect(at).toContain('/facets/1/extends');
    expect(at).toContain('/facets/2/extends');
    expect(at).toContain('/facets/3/schema/type');
    expect(at).toContain('/facets/4/schema');
    expect(at).toContain('/facets/5/schema/properties/x/pattern');
    expect(mirror.snapshot().facets.size).toBe(0);

    await client.publishFacet(facet('brief'));
    const refused = await refusal(client.register(capability('agent.write', { kind: 'magic' as never })));
    expect(refused.errors).toMatchObject([{ pointer: '/capability/kind' }]);
    expect((await refusal(client.register(capability('agent.write')))).errors).toMatchObject([
      { pointer: '/capability/outputFacets/0', facet: 'copy' },
    ]);
    expect(
      (await refusal(client.register(capability('agent.write', { outputFacets: ['brief'] })))).errors,
    ).toMatchObject([{ pointer: '/capability/outputFacets/0', keyword: 'selfDependent' }]);
    const nonsense = await nc.request('flex.registry.register.default', '{"capa', { timeout: 2_000 });
    expect(nonsense.json()).toMatchObject({ problem: { status: 400, code: 'not_json' } });
  });

  it('notices a missed heartbeat at once, as an event, and the next heartbeat brings the capability back', async () => {
    await client.registerMany({ facets: [facet('brief'), facet('copy')] });
    await boot();
    const beats = new BucketWriter(nc, Bucket.heartbeats);
    await beats.put('default.agent.write.one', '', { ttlMs: 60_000 });
    await client.register(capability('agent.write', { heartbeat: { intervalSeconds: 0.5, timeoutSeconds: 1 } }), 'one');
    expect(await announced('capability.lost', 'agent.write')).toBe(false);
    await beats.put('default.agent.write.one', '', { ttlMs: 1_000 });
    await until(() => statusOf('agent.write') === 'inactive', 'the loss');
    expect(mirror.snapshot().capabilities.get('agent.write')?.inactiveReason).toContain('no heartbeat');
    expect(await announced('capability.lost', 'agent.write')).toBe(true);
    await beats.put('default.agent.write.one', '', { ttlMs: 60_000 });
    await until(() => statusOf('agent.write') === 'active', 'the return');
    await beats.put('default.agent.write.two', '', { ttlMs: 60_000 });
    await client.deregister('agent.write', 'default', 'one');
    await client.heartbeat('agent.write', 'default', 'two');
    expect(statusOf('agent.write')).toBe('active');
    await client.deregister('agent.write', 'default', 'two');
    await until(() => statusOf('agent.write') === 'inactive', 'the goodbye');
    expect(await announced('capability.deregistered', 'agent.write')).toBe(true);
    const stream = await (
      await jetstreamManager(nc)
    ).streams.info('REGISTRY', { subjects_filter: 'capability.lost.>' });
    expect(stream.state.subjects).toEqual({ 'capability.lost.default.agent.write': 1 });
  });

  it('declares nobody lost whose heartbeats ran out because the bus was away', async () => {
    await Promise.all(services.splice(0).map((service) => service.stop()));
    await boot(4_000);
    await client.registerMany({ facets: [facet('brief'), facet('copy')] });
    const heartbeat = { intervalSeconds: 0.5, timeoutSeconds: 1 };
    const beats = new BucketWriter(nc, Bucket.heartbeats);
    const beat = (id: string, ttlMs = 1_000): Promise<unknown> => beats.put(`default.${id}.one`, '', { ttlMs });
    for (const id of ['agent.stays', 'agent.gone']) {
      await beat(id, 60_000);
      await client.register(capability(id, { heartbeat }), 'one');
    }
    await Promise.all([beat('agent.stays'), beat('agent.gone')]);
    await nats.kill();
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    await nats.restart();
    await until(
      () =>
        beat('agent.stays', 60_000).then(
          () => true,
          () => false,
        ),
      'a heartbeat after the outage',
    );
    await until(() => statusOf('agent.gone') === 'inactive', 'the loss of the one that is gone');
    expect(statusOf('agent.stays')).toBe('active');
    expect(await announced('capability.lost', 'agent.gone')).toBe(true);
    expect(await announced('capability.lost', 'agent.stays')).toBe(false);
  });

  it('is rebuilt from whichever of its three memories is left', async () => {
    await client.registerMany({
      facets: [facet('brief'), facet('copy', { title: 'Copy' })],
      capabilities: [capability('agent.write'), capability('agent.gone')],
    });
    await client.deregister('agent.gone');
    await until(() => statusOf('agent.gone') === undefined);
    const expected = [...mirror.snapshot().capabilities.values()];
    const restart = async (destroy: () => Promise<unknown>): Promise<void> => {
      await Promise.all(services.splice(0).map((service) => service.stop()));
      mirror.close();
      await destroy();
      await Promise.all([boot(), boot()]);
      mirror = new RegistryMirror(nc);
      await mirror.ready;
      expect([...mirror.snapshot().capabilities.values()]).toEqual(expected);
      expect(mirror.snapshot().facets.get('copy')).toMatchObject({ title: 'Copy', version: 1 });
      expect((await client.facetVersions('copy')).map(({ version }) => version)).toEqual([1]);
    };
    const dropStore = async (): Promise<void> => {
      const db = connectPostgres(postgres.url);
      await sql`drop schema registry cascade`.execute(db);
      await db.destroy();
    };
    const dropBucket = async (): Promise<unknown> =>
      (await jetstreamManager(nc)).streams.delete(kvStream(Bucket.registry));
    await restart(dropStore);
    await restart(dropBucket);
    await restart(async () => {
      await dropStore();
      await dropBucket();
    });
  });

  it('lets replicas decide at the same time without losing or doubling a version', async () => {
    await boot();
    await boot();
    const titles = Array.from({ length: 30 }, (_, index) => `Title ${index}`);
    const answers = await Promise.all(titles.map((title) => client.publishFacet(facet('tone', { title }))));
    expect(new Set(answers.map(({ revision }) => revision)).size).toBe(30);
    await until(() => mirror.snapshot().facets.get('tone')?.version === 30);
    const versions = await client.facetVersions('tone');
    expect(versions.map(({ version }) => version)).toEqual(Array.from({ length: 30 }, (_, index) => 30 - index));
    expect(new Set(versions.map(({ facet: { title } }) => title))).toEqual(new Set(titles));
  });

  it('keeps tenants apart, each with the shared entries', async () => {
    await client.registerMany({ facets: [facet('brief'), facet('copy')] });
    await client.register(capability('agent.write', { tenant: 'acme' }));
    await client.publishFacet(facet('secret', { tenant: 'acme' }));
    const other = capability('agent.spy', { tenant: 'globex', inputFacets: [{ facet: 'secret' }] });
    expect((await refusal(client.register(other))).errors).toMatchObject([{ facet: 'secret' }]);
    const { revision } = await client.register(
      capability('agent.own', { tenant: 'acme', inputFacets: [{ facet: 'secret' }] }),
    );
    await mirror.reached(revision);
    expect([...mirror.snapshot('acme').capabilities.keys()].sort()).toEqual(['agent.own', 'agent.write']);
    expect(mirror.snapshot('globex').capabilities.size).toBe(0);
  });

  it('takes 12,000 facets and 4,000 capabilities in a few seconds', async () => {
    const facets = Array.from({ length: 12_000 }, (_, index) => facet(`f${index}`, { schema: {} }));
    const capabilities = Array.from({ length: 4_000 }, (_, index) =>
      capability(`svc.s${index}`, {
        inputFacets: [{ facet: `f${index}` }, { facet: `f${index + 1}` }],
        outputFacets: [`f${index + 4000}`, `f${index + 8000}`],
      }),
    );
    const started = performance.now();
    const answer = await client.registerMany({ facets, capabilities });
    const seconds = (performance.now() - started) / 1000;
    expect(answer).toMatchObject({ facets: 12_000, capabilities: 4_000, unchanged: 0 });
    await mirror.reached(answer.revision);
    expect(mirror.snapshot().capabilities.size).toBe(4_000);
    process.stdout.write(`registered 16,000 entries in ${seconds.toFixed(1)} s\n`);
    // Seconds on a machine of its own; the limit allows for one that is busy with other tests.
    expect(seconds).toBeLessThan(45);
    expect((await client.registerMany({ capabilities })).unchanged).toBe(4_000);
  }, 60_000);

  it('goes on when the store is away, and brings it up to date afterwards', async () => {
    const db = connectPostgres(postgres.url);
    await sql`alter table registry.facets rename to hidden`.execute(db);
    await client.publishFacet(facet('brief'));
    await until(() => mirror.snapshot().facets.has('brief'));
    await sql`alter table registry.hidden rename to facets`.execute(db);
    await until(async () => (await client.facetVersions('brief')).length === 1, 'catching up');
    await db.destroy();
    expect((await new Kvm(nc).open(Bucket.registry)).get('facet.default.brief')).toBeDefined();
  });
});
