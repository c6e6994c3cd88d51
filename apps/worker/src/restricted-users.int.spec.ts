import { setTimeout as delay } from 'node:timers/promises';
import type { EventData } from '@flex/contracts';
import { connectNats, ensureStreams, EventLog, natsAuthorization, serviceUsers } from '@flex/events';
import { bootService, type RunningService } from '@flex/events/service';
import { startNats, startPostgres, type TestNats, type TestPostgres } from '@flex/embedded/testing';
import { RegistryConfig } from '../../registry/src/registry.config.js';
import { RegistryModule } from '../../registry/src/registry.module.js';
import { WorkerConfig } from './worker.config.js';
import { WorkerModule } from './worker.module.js';

/** The bus as operators run it: every service with its own user, who may say and hear what the table allows. */
describe('registry and worker with users of their own', () => {
  let nats: TestNats;
  let postgres: TestPostgres;
  const services: RunningService[] = [];

  beforeAll(async () => {
    const passwords = { registry: 'r', worker: 'w', orchestrator: 'o' };
    [nats, postgres] = await Promise.all([
      startNats({ extra: natsAuthorization(serviceUsers(passwords)) }),
      startPostgres(),
    ]);
  });
  afterAll(async () => {
    for (const service of services.reverse()) await service.stop();
    await Promise.all([nats.stop(), postgres.stop()]);
  });

  const env = (user: string): Record<string, string> => ({
    NATS_URL: nats.url,
    NATS_USER: user,
    NATS_PASSWORD: user.slice(0, 1),
    DATABASE_URL: postgres.url,
    FLEX_LOG_LEVEL: process.env['FLEX_TEST_LOG'] ?? 'silent',
  });

  it('register, work, report and say goodbye', async () => {
    const nc = await connectNats({
      url: nats.url,
      name: 'test',
      user: 'orchestrator',
      pass: 'o',
      inboxPrefix: '_INBOX_orchestrator',
    });
    const shape = await ensureStreams(nc);
    const log = new EventLog(nc, 'orchestrator', shape);
    services.push(
      await bootService({ name: 'registry', config: RegistryConfig, module: RegistryModule, env: env('registry') }),
    );
    const worker = await bootService({
      name: 'worker',
      config: WorkerConfig,
      module: WorkerModule,
      env: env('worker'),
    });
    services.push(worker);
    while (!(await fetch(`${worker.url}/health/ready`)).ok) await delay(20);
    const data: EventData<'node.dispatched'> = {
      nodeId: 'n',
      attempt: 1,
      planVersion: 1,
      capabilityId: 'strategist.directions',
      kind: 'structuring',
      inputs: { objectiveBrief: { objective: 'x' }, audienceProfile: { persona: 'y' } },
      outputFacets: ['creativeDirections'],
      timeoutMs: 10_000,
      idempotencyKey: 'k',
    };
    await log.append({ type: 'node.dispatched', runId: 'r1', id: 'r1:d', key: data.capabilityId, data });
    for (let reported = false; !reported;) {
      for await (const event of log.readRun('r1')) reported ||= event.type === 'node.reported';
      await delay(20);
    }
    await nc.close();
  });
});
