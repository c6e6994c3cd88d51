import { setTimeout as delay } from 'node:timers/promises';
import type { EventData, Json } from '@flex/contracts';
import { EventLog, RegistryMirror } from '@flex/events';
import { bootService, type RunningService } from '@flex/events/service';
import { startNats, startPostgres, type TestNats, type TestPostgres } from '@flex/embedded/testing';
import { RegistryConfig } from '../../registry/src/registry.config.js';
import { RegistryModule } from '../../registry/src/registry.module.js';
import { WorkerConfig } from './worker.config.js';
import { WorkerModule } from './worker.module.js';

describe('the reference agents, with a registry', () => {
  let nats: TestNats;
  let postgres: TestPostgres;
  let registry: RunningService;
  let worker: RunningService | undefined;
  let env: Record<string, string>;
  let mirror: RegistryMirror;

  beforeAll(async () => {
    [nats, postgres] = await Promise.all([startNats(), startPostgres()]);
    env = {
      NATS_URL: nats.url,
      DATABASE_URL: postgres.url,
      FLEX_LOG_LEVEL: process.env['FLEX_TEST_LOG'] ?? 'silent',
      FLEX_REGISTRY_SETTLE_MS: '100',
    };
    worker = await bootWorker();
    registry = await bootService({ name: 'registry', config: RegistryConfig, module: RegistryModule, env });
    mirror = new RegistryMirror(registry.context.nc);
    await mirror.ready;
  });
  afterAll(async () => {
    mirror.close();
    await worker?.stop();
    await registry.stop();
    await Promise.all([nats.stop(), postgres.stop()]);
  });
  const bootWorker = (): Promise<RunningService> =>
    bootService({ name: 'worker', config: WorkerConfig, module: WorkerModule, env });
  const until = async (holds: () => boolean | Promise<boolean>): Promise<void> => {
    while (!(await holds())) await delay(20);
  };
  const statusOf = (id: string): string | undefined => mirror.snapshot().capabilities.get(id)?.status;
  const ready = async (): Promise<boolean> => (await fetch(`${worker!.url}/health/ready`)).ok;

  it('wait for the registry, then bring the catalogue and are ready', async () => {
    await until(ready);
    const { facets, capabilities } = mirror.snapshot();
    expect(facets.has('copyVariants')).toBe(true);
    expect(capabilities.get('strategist.brief')).toMatchObject({ status: 'active', kind: 'structuring' });
    expect(capabilities.get('clarifier.person')).toMatchObject({ status: 'active', agentType: 'human' });
  });

  it('do the work of a plan, one after the other', async () => {
    const { nc, shape } = registry.context;
    const log = new EventLog(nc, 'orchestrator', shape);
    const context: Record<string, Json> = {
      objectiveBrief: { objective: 'Announce the beta', channel: 'linkedin', keyMessages: ['It is proven'] },
      audienceProfile: { persona: 'Head of content' },
      toneOfVoice: 'professional',
    };
    for (const capabilityId of ['strategist.brief', 'writer.linkedin', 'reviewer.quality']) {
      const capability = mirror.snapshot().capabilities.get(capabilityId)!;
      const runId = `run-${capability.kind}`;
      await log.append({
        type: 'node.dispatched',
        runId,
        id: `${runId}:dispatch`,
        key: capabilityId,
        data: {
          nodeId: 'n',
          attempt: 1,
          planVersion: 1,
          capabilityId,
          kind: capability.kind,
          inputs: Object.fromEntries(
            capability.inputFacets.flatMap(({ facet }) => (facet in context ? [[facet, context[facet]!]] : [])),
          ),
          outputFacets: capability.outputFacets,
          outputSchema: {
            type: 'object',
            properties: Object.fromEntries(
              capability.outputFacets.map((name) => [name, mirror.snapshot().facets.get(name)!.schema]),
            ),
            required: capability.outputFacets,
          },
          timeoutMs: 10_000,
          idempotencyKey: runId,
        },
      });
      let report: EventData<'node.reported'> | undefined;
      await until(async () => {
        for await (const event of log.readRun(runId)) {
          if (event.type === 'node.reported') report = event.data as EventData<'node.reported'>;
        }
        return report !== undefined;
      });
      expect(report!.error).toBeUndefined();
      Object.assign(context, report!.outputs);
    }
    expect(context['copyVariants']).toHaveLength((context['planKnobs'] as { variantCount: number }).variantCount);
    expect(context['qaFindings']).toMatchObject({
      overallStatus: expect.stringMatching(/pass|warn/),
      scores: { coverage: 1 },
    });
  });

  it('say goodbye when they stop, and come back with a new start; the catalogue stays at its version', async () => {
    await worker!.stop();
    await until(() => statusOf('writer.blog') === 'inactive');
    expect(mirror.snapshot().capabilities.get('writer.blog')!.inactiveReason).toContain('goodbye');
    expect(statusOf('clarifier.person')).toBe('active');
    worker = await bootWorker();
    await until(() => statusOf('writer.blog') === 'active');
    expect(mirror.snapshot().facets.get('copyVariants')!.version).toBe(1);
  });

  it('are registered again after the bus was away', async () => {
    await nats.kill();
    await nats.restart();
    await until(ready);
    await delay(300);
    expect(statusOf('writer.blog')).toBe('active');
  });
});
