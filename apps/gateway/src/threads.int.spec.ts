import { ThreadClaims } from '@flex/events';
import { bootService, type RunningService } from '@flex/events/service';
import type { EventData, StoredEvent } from '@flex/contracts';
import type { GatewayConfig } from './gateway-config.js';
import { gatewayService } from './gateway-service.js';
import { envelope, GatewayCaller, until, type PlayedServices } from './testing/gateway-fixture.js';
import { TestServers } from './testing/test-servers.js';

type Choice = 'reject' | 'enqueue' | 'interrupt' | 'rollback';

/** Submissions come to two replicas, and sooner after each other than any read model could know. */
describe('runs of one thread', () => {
  let servers: TestServers;
  let gateways: RunningService<GatewayConfig>[];
  let played: PlayedServices;
  const replicas = [0, 1].map((index) => new GatewayCaller(() => gateways[index]!));
  const api = replicas[0]!;
  let threads = 0;
  const newThread = (): string => `thread-${(threads += 1)}`;
  const task = (threadId: string, onConflict: Choice) => ({ ...envelope, metadata: { threadId, onConflict } });
  const eventsOf = async (runId: string): Promise<StoredEvent[]> =>
    (await api.json<{ items: StoredEvent[] }>(`/runs/${runId}/events?limit=500`)).items ?? [];
  const submissionOf = async (runId: string) => {
    const [event] = await eventsOf(runId);
    return { runId, seq: event!.seq, ...(event!.data as EventData<'run.submitted'>) };
  };
  const typesOf = async (runId: string) => (await eventsOf(runId)).map(({ type }) => type);
  /** So many at once, in turn to both replicas. */
  const atOnce = async (count: number, threadId: string, choice: Choice) => {
    const answers = await Promise.all(
      Array.from({ length: count }, (_, index) => replicas[index % 2]!.post('/runs', task(threadId, choice))),
    );
    const bodies = (await Promise.all(answers.map((answer) => answer.json()))) as {
      runId: string;
      extensions?: { runIds: string[] };
    }[];
    const accepted = bodies.filter((_, index) => answers[index]!.status === 202);
    const submitted = await Promise.all(accepted.map(({ runId }) => submissionOf(runId)));
    return {
      /** In the order of the log. */
      submitted: submitted.sort((a, b) => a.seq - b.seq),
      refused: bodies.filter((_, index) => answers[index]!.status === 409),
    };
  };

  beforeAll(async () => {
    servers = await TestServers.start();
    const boot = () =>
      bootService({
        ...gatewayService(),
        env: servers.env(),
      });
    gateways = [await boot(), await boot()];
    played = await servers.play();
  });
  afterAll(async () => {
    await Promise.all(gateways.map((gateway) => gateway.stop()));
    await servers.stop();
  });

  it('see each other at once: of those that reject, one is taken', async () => {
    for (const count of [2, 2, 6]) {
      const { submitted, refused } = await atOnce(count, newThread(), 'reject');
      expect(submitted).toHaveLength(1);
      expect(refused).toHaveLength(count - 1);
      for (const { extensions } of refused) expect(extensions?.runIds).toEqual([submitted[0]!.runId]);
    }
  });

  it('see each other at once: those that enqueue wait for all before them', async () => {
    for (const count of [2, 2, 6]) {
      const { submitted } = await atOnce(count, newThread(), 'enqueue');
      expect(submitted).toHaveLength(count);
      for (const [index, { after = [] }] of submitted.entries())
        expect(after).toEqual(submitted.slice(0, index).map(({ runId }) => runId));
    }
  });

  it.each(['interrupt', 'rollback'] as const)('see each other at once: %s ends whoever came before', async (choice) => {
    const { submitted } = await atOnce(3, newThread(), choice);
    const [first, second, third] = submitted.map(({ runId }) => runId);
    expect(submitted.map(({ after = [], rollsBack = false }) => [after, rollsBack])).toEqual([
      [[], false],
      [[first], choice === 'rollback'],
      [[first, second], choice === 'rollback'],
    ]);
    for (const older of [first!, second!]) expect(await typesOf(older)).toContain('run.cancel_requested');
    expect(await typesOf(third!)).toEqual(['run.submitted']);
    await played.append('run.cancelled', first!, { reason: 'as asked' });
    await played.append('run.cancelled', second!, { reason: 'as asked' });
    await until(async () => (await typesOf(third!)).includes('run.released'), 'the release');
    const gone = choice === 'rollback' ? 404 : 200;
    for (const older of [first!, second!]) expect((await api.get(`/runs/${older}`)).status).toBe(gone);
  });

  it('follow each other at once: what has just ended is in nobody’s way', async () => {
    const thread = newThread();
    for (let turn = 0; turn < 5; turn++) {
      const { submitted } = await atOnce(1, thread, 'reject');
      expect(submitted).toHaveLength(1);
      expect(submitted[0]!.after).toBeUndefined();
      await played.append('run.cancelled', submitted[0]!.runId, {});
    }
  });

  it('are one when the same submission is repeated at once', async () => {
    for (const choice of ['reject', 'rollback'] as const) {
      const body = task(newThread(), choice);
      const key = { 'idempotency-key': `once-${choice}` };
      const answers = await Promise.all(replicas.map((replica) => replica.post('/runs', body, key)));
      const [one, other] = (await Promise.all(answers.map((answer) => answer.json()))) as { runId: string }[];
      expect(answers.map(({ status }) => status)).toEqual([202, 202]);
      expect(one).toEqual(other);
      expect(await typesOf(one!.runId)).toEqual(['run.submitted']);
    }
  });

  it('are not held up by a gateway that died on the way, which says nothing more afterwards', async () => {
    const thread = newThread();
    const claims = new ThreadClaims(played.log);
    const subject = ThreadClaims.subjectOf('default', thread);
    const dead = await claims.take(subject, 0, { runId: 'died-on-the-way', open: [] });
    const { submitted } = await atOnce(2, thread, 'reject');
    expect(submitted).toHaveLength(1);
    const data = { envelope: envelope as never, tenant: 'default', correlationId: 'x', threadId: thread };
    await expect(
      played.log.append({ type: 'run.submitted', runId: 'died-on-the-way', id: 'late', data }, { thread: dead }),
    ).rejects.toThrow('wrong last sequence');
  });

  it('end as their client wanted also when the gateway died before it could say so', async () => {
    const thread = newThread();
    const first = await api.submit(task(thread, 'enqueue'));
    const data = {
      envelope: task(thread, 'interrupt') as never,
      tenant: 'default',
      correlationId: 'x',
      threadId: thread,
      after: [first],
    };
    await played.log.append({ type: 'run.submitted', runId: 'half-said', id: 'half-said', data });
    await until(async () => (await typesOf(first)).includes('run.cancel_requested'), 'the request');
    await played.append('run.cancelled', first, {});
    await until(async () => (await typesOf('half-said')).includes('run.released'), 'the release');
    expect((await typesOf(first)).filter((type) => type === 'run.cancel_requested')).toHaveLength(1);
  });
});
