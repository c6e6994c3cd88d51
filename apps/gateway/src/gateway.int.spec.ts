import type { NewEvent, RunEventType } from '@flex/contracts';
import { connectNats, EventLog, readLogShape } from '@flex/events';
import { bootService, type RunningService } from '@flex/events/service';
import { startNats, startPostgres, type TestNats, type TestPostgres } from '@flex/embedded/testing';
import type { GatewayConfig } from './gateway-config.js';
import { gatewayService } from './gateway-service.js';
import { readFrames } from './testing/sse-client.js';

const envelope = { objective: 'Say hello', outputContract: { mode: 'freeform', instructions: 'One word' } };

describe('the gateway', () => {
  let nats: TestNats;
  let postgres: TestPostgres;
  let gateway: RunningService<GatewayConfig>;
  let second: RunningService<GatewayConfig>;
  let nc: Awaited<ReturnType<typeof connectNats>>;
  let log: EventLog;

  const boot = (env: Record<string, string> = {}): Promise<RunningService<GatewayConfig>> =>
    bootService({
      ...gatewayService(),
      env: {
        NATS_URL: nats.url,
        DATABASE_URL: postgres.url,
        FLEX_LOG_LEVEL: process.env['FLEX_TEST_LOG'] ?? 'silent',
        ...env,
      },
    });
  const call = (path: string, init: RequestInit = {}, on = gateway): Promise<Response> =>
    fetch(`${on.url}/api/v1/flex${path}`, init);
  const post = (path: string, body: unknown, headers: Record<string, string> = {}, on = gateway): Promise<Response> =>
    call(
      path,
      { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json', ...headers } },
      on,
    );

  /** Plays the orchestrator and a worker. */
  const append = <T extends RunEventType>(type: T, runId: string, data: unknown, key?: string) =>
    log.append({ type, runId, id: `${type}.${runId}.${Math.random()}`, data, key } as unknown as NewEvent);
  const dispatch = (runId: string, nodeId: string, accepted?: object[]) =>
    append(
      'node.dispatched',
      runId,
      {
        nodeId,
        attempt: 1,
        planVersion: 1,
        capabilityId: 'agent.write',
        kind: 'execution',
        inputs: {},
        outputFacets: ['copy'],
        timeoutMs: 1000,
        idempotencyKey: `${runId}.${nodeId}.1`,
        accepted,
      },
      'agent.write',
    );
  const finish = async (runId: string): Promise<void> => {
    await dispatch(runId, 'a');
    await append(
      'node.reported',
      runId,
      { nodeId: 'a', attempt: 1, outputs: { copy: 'hello' }, durationMs: 5 },
      'agent.write',
    );
    await dispatch(runId, 'b', [{ nodeId: 'a', attempt: 1 }]);
    await append('node.reported', runId, { nodeId: 'b', attempt: 1, outputs: { copy: 'hello again' } }, 'agent.write');
    await append('run.completed', runId, { output: 'hello again', accepted: [{ nodeId: 'b', attempt: 1 }] });
  };

  beforeAll(async () => {
    [nats, postgres] = await Promise.all([startNats(), startPostgres()]);
    gateway = await boot();
    second = await boot();
    nc = await connectNats({ url: nats.url, name: 'test' });
    log = new EventLog(nc, 'orchestrator', await readLogShape(nc));
  });
  afterAll(async () => {
    await Promise.all([gateway.stop(), second.stop()]);
    await nc.close();
    await Promise.all([nats.stop(), postgres.stop()]);
  });

  it('streams a run from its submission to its end', async () => {
    const response = await post('/run.stream', envelope);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toContain('text/event-stream');
    expect(response.headers.get('x-accel-buffering')).toBe('no');
    const runId = response.headers.get('x-run-id')!;
    void finish(runId);
    const frames = await readFrames(response);
    expect(frames.map((frame) => frame.event)).toEqual([
      'start',
      'node_start',
      'node_complete',
      'node_start',
      'node_complete',
      'complete',
    ]);
    expect(frames[2]!.data).toMatchObject({
      nodeId: 'a',
      payload: { outputs: { copy: 'hello' }, durationMs: 5, capabilityId: 'agent.write' },
    });
    expect(frames[3]!.id).toBe(`${frames[2]!.id}.001`);
    expect(frames[5]!.data).toMatchObject({ payload: { status: 'completed', output: 'hello again' } });
    const run = await (await call(`/runs/${runId}`)).json();
    expect(run).toMatchObject({ status: 'completed', output: 'hello again', nodes: { a: { status: 'completed' } } });
  });

  it('gives exactly the rest after any frame, on any replica, during and after the run', async () => {
    const created = await post('/runs', envelope);
    expect(created.status).toBe(202);
    const { runId } = (await created.json()) as { runId: string };
    expect(created.headers.get('location')).toBe(`/api/v1/flex/runs/${runId}`);
    const live = readFrames(await call(`/runs/${runId}/stream`, {}, second));
    await finish(runId);
    const all = await live;
    expect(all.at(-1)!.event).toBe('complete');
    for (const replica of [gateway, second]) {
      for (const [index, frame] of all.entries()) {
        const response = await call(`/runs/${runId}/stream`, { headers: { 'last-event-id': frame.id! } }, replica);
        expect(response.status).toBe(index === all.length - 1 ? 204 : 200);
        const rest = await readFrames(response);
        expect(rest.map((one) => one.id)).toEqual(all.slice(index + 1).map((one) => one.id));
      }
    }
  });
});
