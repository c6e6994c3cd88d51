import { bootService, type RunningService } from '@flex/events/service';
import type { GatewayConfig } from './gateway-config.js';
import { gatewayService } from './gateway-service.js';
import { Fuzzer, fuzz } from './testing/fuzz.js';
import { GatewayCaller, until } from './testing/gateway-fixture.js';
import { TestServers } from './testing/test-servers.js';

/** More of them with FLEX_FUZZ_REQUESTS=50000, another sequence with FLEX_FUZZ_SEED. */
const COUNT = Number(process.env['FLEX_FUZZ_REQUESTS'] ?? 600);
const SEED = Number(process.env['FLEX_FUZZ_SEED'] ?? 1);
/** Nobody plays the registry here. */
const ASKS_REGISTRY = [
  'registerCapability',
  'registerMany',
  'publishFacet',
  'heartbeat',
  'deregister',
  'listFacetVersions',
];

describe('whatever is sent', () => {
  let servers: TestServers;
  let gateway: RunningService<GatewayConfig>;

  beforeAll(async () => {
    servers = await TestServers.start();
    const env = servers.env();
    gateway = await bootService({ ...gatewayService(), env });
  });
  afterAll(async () => {
    await gateway.stop();
    await servers.stop();
  });

  it(
    `is answered without a fault of the gateway's own (seed ${SEED})`,
    async () => {
      const api = new GatewayCaller(() => gateway);
      const played = await servers.play();
      const [open, ended] = [await api.submit(), await api.submit()];
      const task = { taskId: `${open}-1-1`, kind: 'escalation', prompt: 'What now?', onTimeout: 'none', round: 0 };
      await played.append('hitl.requested', open, { task });
      await played.finish(ended);
      const fuzzer = new Fuzzer(
        SEED,
        { runIds: [open, ended, 'unknown'], taskIds: [task.taskId] },
        (route) => !ASKS_REGISTRY.includes(route.id),
      );
      const { statuses, faults } = await fuzz(gateway.url, fuzzer, COUNT);
      expect(faults).toEqual([]);
      expect(Object.keys(statuses).length).toBeGreaterThan(4);
      expect((await fetch(`${gateway.url}/health/ready`)).status).toBe(200);
      // Nothing of all that may have stopped the projection.
      const last = await api.submit();
      await until(
        async () => (await api.json<{ items: { runId: string }[] }>('/runs?limit=1')).items[0]?.runId === last,
        'the list',
      );
    },
    60_000 + COUNT * 60,
  );
});
