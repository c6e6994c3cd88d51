import { Kvm, type KV } from '@nats-io/kv';
import type { NatsConnection } from '@nats-io/nats-core';
import type { Facet, RegisteredCapability } from '@flex/contracts';
import { BucketWatch, type BucketEntry } from './bucket-watch.js';
import { connectNats } from './connect.js';
import { Header, HeaderBlock } from './headers.js';
import { Bucket, kvSubject } from './names.js';
import { RegistryMirror } from './registry-mirror.js';
import { ensureStreams } from './streams.js';
import { startNatsServer, type TestServer } from './testing/nats-server.js';

const facet = (name: string, tenant = 'default'): Facet => ({
  name,
  tenant,
  schema: { type: 'string' },
  direction: 'input',
});
const capability = (capabilityId: string): RegisteredCapability => ({
  capabilityId,
  version: '1',
  displayName: capabilityId,
  kind: 'execution',
  agentType: 'ai',
  inputFacets: [],
  outputFacets: [],
  status: 'active',
});
const until = async (holds: () => boolean): Promise<void> => {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
};

describe('the mirror of the registry', () => {
  let server: TestServer;
  let nc: NatsConnection;
  let kv: KV;
  beforeAll(async () => {
    server = await startNatsServer();
    nc = await connectNats({ url: server.url, name: 'test' });
    await ensureStreams(nc);
    kv = await new Kvm(nc).open(Bucket.registry);
  });
  afterAll(async () => {
    await nc.close();
    await server.stop();
  });

  it('is ready at once over an empty bucket, then follows; identity holds while nothing visible changes', async () => {
    const mirror = new RegistryMirror(nc);
    await mirror.ready;
    expect(mirror.snapshot().revision).toBe(0);
    const revision = await kv.put('facet.default.tone', JSON.stringify(facet('tone')));
    await kv.put('cap.default.a.b', JSON.stringify(capability('a.b')));
    const last = await kv.put('facet.acme.tone', JSON.stringify({ ...facet('tone', 'acme'), title: 'Ours' }));
    await mirror.reached(last);
    const shared = mirror.snapshot();
    expect([...shared.capabilities.keys()]).toEqual(['a.b']);
    expect(shared.facets.get('tone')?.title).toBeUndefined();
    expect(mirror.snapshot('acme').facets.get('tone')?.title).toBe('Ours');
    expect(mirror.snapshot('acme').capabilities.has('a.b')).toBe(true);
    expect(revision).toBeLessThan(shared.revision);

    await mirror.reached(await kv.put('facet.acme.other', JSON.stringify(facet('other', 'acme'))));
    expect(mirror.snapshot()).toBe(shared);
    await kv.delete('cap.default.a.b');
    await until(() => mirror.snapshot() !== shared);
    expect(mirror.snapshot().capabilities.size).toBe(0);
    expect(shared.capabilities.size).toBe(1);
    mirror.close();
  });

  it('catches up with what was written before, and waits once only for what does not come', async () => {
    const mirror = new RegistryMirror(nc);
    await mirror.ready;
    await kv.put('facet.default.latest', JSON.stringify(facet('latest')));
    await mirror.catchUp();
    expect(mirror.snapshot().facets.has('latest')).toBe(true);
    expect(await mirror.catchUp()).toBe(false);
    mirror.close();
    // From here on it hears nothing.
    await kv.put('facet.default.later', JSON.stringify(facet('later')));
    const waited = async () => {
      const began = performance.now();
      expect(await mirror.catchUp(300)).toBe(false);
      return performance.now() - began;
    };
    expect(await waited()).toBeGreaterThan(250);
    expect(await waited()).toBeLessThan(250);
  });

  it('misses nothing that happened while the server was away', async () => {
    const mirror = new RegistryMirror(nc);
    await mirror.ready;
    await mirror.reached(await kv.put('facet.default.gone', JSON.stringify(facet('gone'))));
    await server.kill();
    await server.start();
    const other = await connectNats({ url: server.url, name: 'other' });
    const otherKv = await new Kvm(other).open(Bucket.registry);
    await otherKv.purge('facet.default.gone');
    await otherKv.put('facet.default.new', JSON.stringify(facet('new')));
    await until(() => mirror.snapshot().facets.has('new') && !mirror.snapshot().facets.has('gone'));
    await other.close();
    mirror.close();
  });

  it('tells a key that expired from one that was deleted', async () => {
    const seen: BucketEntry[] = [];
    const watch = new BucketWatch({ nc, bucket: Bucket.heartbeats, onEntries: (entries) => seen.push(...entries) });
    await watch.ready;
    const headers = new HeaderBlock().add(Header.ttl, '1s').asMsgHdrs();
    nc.publish(kvSubject(Bucket.heartbeats, 'default.a.b.one'), 'x', { headers });
    const heartbeats = await new Kvm(nc).open(Bucket.heartbeats);
    await heartbeats.put('default.a.b.two', 'x');
    await heartbeats.delete('default.a.b.two');
    await until(() => seen.filter((entry) => entry.gone).length === 2);
    expect(seen.filter((entry) => entry.gone).map(({ key, gone }) => [key, gone])).toEqual([
      ['default.a.b.two', 'deleted'],
      ['default.a.b.one', 'expired'],
    ]);
    watch.close();
  });
});
