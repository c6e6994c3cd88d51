import type { NatsConnection } from '@nats-io/nats-core';
import { noPolicies, type Policies, type StoredEvent, type TaskEnvelope } from '@flex/contracts';
import { DeadLetters, type EventLog } from '@flex/events';
import { bootService, type RunningService } from '@flex/events/service';
import { openTestLog, startNatsServer, type TestServer } from '@flex/events/testing';
import { normalizePolicies } from '@flex/planning';
import { policyService } from './policy-service.js';

type Verdict = StoredEvent<'policy.normalized' | 'policy.refused' | 'policy.evaluated' | 'policy.triggered'>;

const envelope = (policies?: unknown): TaskEnvelope => ({
  objective: 'Write',
  outputContract: { mode: 'freeform', instructions: 'A text' },
  ...(policies === undefined ? {} : { policies: policies as Policies }),
});
const { runtime } =
  normalizePolicies({
    runtime: [
      {
        id: 'low-score',
        trigger: { kind: 'onNodeComplete', condition: 'facets.qaFindings.scores.overall < 0.6' },
        action: { type: 'replan', rationale: 'The score is low' },
      },
    ],
  }).policies ?? noPolicies();

describe('the policy service on a real log', () => {
  let server: TestServer;
  let nc: NatsConnection;
  let log: EventLog;
  const services: RunningService[] = [];
  const verdicts: Verdict[] = [];
  const waiters: { holds: () => boolean; resolve: () => void }[] = [];

  const boot = async (): Promise<RunningService> => {
    const service = await bootService({ ...policyService, env: { NATS_URL: server.url, FLEX_LOG_LEVEL: 'silent' } });
    services.push(service);
    return service;
  };
  const until = (holds: () => boolean): Promise<void> =>
    holds() ? Promise.resolve() : new Promise((resolve) => waiters.push({ holds, resolve }));
  const verdictsOf = (runId: string): Verdict[] => verdicts.filter((verdict) => verdict.runId === runId);
  const submit = (runId: string, policies?: unknown) =>
    log.append({
      type: 'run.submitted',
      runId,
      id: `submitted.${runId}`,
      data: { envelope: envelope(policies), tenant: 'default', correlationId: runId },
    });
  const occasion = (runId: string, n: number, overall: number) =>
    log.append({
      type: 'policy.requested',
      runId,
      id: `${runId}.ask.${n}`,
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      data: {
        requestId: `onNodeComplete|review|${n}`,
        occasion: 'onNodeComplete',
        nodeId: 'review',
        node: { id: 'review', kind: 'validation', capabilityId: 'reviewer.quality' },
        policies: runtime,
        context: { facets: { qaFindings: { scores: { overall } } } },
      },
    });

  beforeAll(async () => {
    server = await startNatsServer({ port: 19_020 });
    ({ nc, log } = await openTestLog(server));
    const filters = ['policy.normalized.>', 'policy.refused.>', 'policy.evaluated.>', 'policy.triggered.>'];
    void (async () => {
      for await (const batch of log.tail<Verdict['type']>({ filters })) {
        verdicts.push(...batch);
        for (const waiter of waiters.filter(({ holds }) => holds())) {
          waiters.splice(waiters.indexOf(waiter), 1);
          waiter.resolve();
        }
      }
    })();
  });
  afterEach(async () => void (await Promise.all(services.splice(0).map((service) => service.stop()))));
  afterAll(async () => {
    await nc?.close();
    await server?.stop();
  });

  it('normalises policies, refuses wrong ones, and says nothing about envelopes without', async () => {
    const service = await boot();
    expect(await (await fetch(`${service.url}/health/ready`)).json()).toMatchObject({ status: 'ready' });
    await submit('none');
    await submit('good', { runtime: [{ id: 'p', trigger: { kind: 'manual' }, action: { type: 'pause' } }] });
    await submit('conflict', { planner: { selection: { require: ['a.b'], forbid: ['a.b'] } } });
    await until(() => verdicts.length >= 2);
    expect(verdictsOf('none')).toEqual([]);
    expect(verdictsOf('good')).toMatchObject([
      {
        type: 'policy.normalized',
        source: 'policy',
        data: { policies: { runtime: [{ id: 'p', enabled: true, maxTriggers: 3 }] } },
      },
    ]);
    expect(verdictsOf('conflict')).toMatchObject([
      { type: 'policy.refused', data: { diagnostics: [{ code: 'POLICY_CONFLICT' }] } },
    ]);
  });

  it('judges occasions, once each, over replicas and restarts', async () => {
    await Promise.all([boot(), boot()]);
    await occasion('r1', 1, 0.9);
    await occasion('r1', 2, 0.4);
    await until(() => verdictsOf('r1').length === 2);
    await Promise.all(services.splice(0).map((service) => service.stop()));
    await occasion('r1', 3, 0.1);
    await boot();
    await until(() => verdictsOf('r1').length === 3);
    const judged = verdictsOf('r1').toSorted((a, b) => (a.id < b.id ? -1 : 1));
    expect(judged.map(({ type }) => type)).toEqual(['policy.evaluated', 'policy.triggered', 'policy.triggered']);
    expect(judged[1]).toMatchObject({
      data: {
        policyId: 'low-score',
        nodeId: 'review',
        action: { type: 'replan' },
        rationale: 'The score is low',
        evaluations: [{ policyId: 'low-score', matched: true }],
      },
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    });
  });

  it('puts a message that breaks its contract aside and goes on', async () => {
    await boot();
    nc.publish('policy.requested.00.broken', 'not json');
    await occasion('r2', 1, 0.2);
    await until(() => verdictsOf('r2').length === 1);
    const letters = new DeadLetters(nc);
    let found = await letters.list();
    while (found.length === 0) found = await letters.list();
    expect(found).toMatchObject([{ consumer: 'policy-occasions', subject: 'policy.requested.00.broken' }]);
  });

  it('judges thousands of occasions in seconds', async () => {
    await boot();
    const count = 4000;
    const started = performance.now();
    for (let n = 0; n < count; n += 500) {
      await Promise.all(Array.from({ length: 500 }, (_, i) => occasion('fast', n + i, i % 2)));
    }
    await until(() => verdictsOf('fast').length === count);
    const perSecond = count / ((performance.now() - started) / 1000);
    process.stdout.write(`policy: ${Math.round(perSecond)} verdicts/s, asking included\n`);
    // Thousands on an idle machine; this only notices when each verdict costs milliseconds.
    expect(perSecond).toBeGreaterThan(100);
  });
});
