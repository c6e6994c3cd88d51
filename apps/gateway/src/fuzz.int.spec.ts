import { connectNats, EventLog, readLogShape } from '@flex/events';
import { bootService, type RunningService } from '@flex/events/service';
import { startNats, startPostgres, type TestNats, type TestPostgres } from '@flex/embedded/testing';
import type { GatewayConfig } from './gateway-config.js';
import { gatewayService } from './gateway-service.js';
import { Fuzzer, fuzz } from './testing/fuzz.js';
import { GatewayCaller, PlayedServices, until } from './testing/gateway-fixture.js';

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
  let nats: TestNats;
  let postgres: TestPostgres;
  let gateway: RunningService<GatewayConfig>;

  beforeAll(async () => {
    [nats, postgres] = await Promise.all([startNats(), startPostgres()]);
    const env = {
      NATS_URL: nats.url,
      DATABASE_URL: postgres.url,
      FLEX_LOG_LEVEL: process.env['FLEX_TEST_LOG'] ?? 'silent',
    };
    gateway = await bootService({ ...gatewayService(), env });
  });
  afterAll(async () => {
    await gateway.stop();
    await Promise.all([nats.stop(), postgres.stop()]);
  });

  it(
    `is answered without a fault of the gateway's own (seed ${SEED})`,
    async () => {
      const api = new GatewayCaller(() => gateway);
      const nc = await connectNats({ url: nats.url, name: 'test' });
      const played = new PlayedServices(new EventLog(nc, 'orchestrator', await readLogShape(nc)));
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
      await nc.close();
    },
    60_000 + COUNT * 60,
  );
});
