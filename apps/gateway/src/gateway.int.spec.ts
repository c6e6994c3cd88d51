import type { NewEvent, RunEventType } from '@flex/contracts';
import { type EventLog } from '@flex/events';
import { bootService, type RunningService } from '@flex/events/service';
import type { GatewayConfig } from './gateway-config.js';
import { gatewayService } from './gateway-service.js';
import { readFrames } from './testing/sse-client.js';
import { TestServers } from './testing/test-servers.js';

const envelope = { objective: 'Say hello', outputContract: { mode: 'freeform', instructions: 'One word' } };

describe('the gateway', () => {
  let servers: TestServers;
  let gateway: RunningService<GatewayConfig>;
  let second: RunningService<GatewayConfig>;
  let log: EventLog;

  const boot = (env: Record<string, string> = {}): Promise<RunningService<GatewayConfig>> =>
    bootService({
      ...gatewayService(),
      env: servers.env(env),
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
    servers = await TestServers.start();
    gateway = await boot();
    second = await boot();
    log = (await servers.play()).log;
  });
  afterAll(async () => {
    await Promise.all([gateway.stop(), second.stop()]);
    await servers.stop();
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

  const labelled = (team: string) => ({ ...envelope, metadata: { labels: { team } } });
  const submit = async (body: object, headers: Record<string, string> = {}): Promise<string> => {
    const response = await post('/runs', body, headers);
    if (response.status !== 202) throw new Error(await response.text());
    return ((await response.json()) as { runId: string }).runId;
  };

  it('streams many runs in the order of the log, and goes on exactly after any frame', async () => {
    const before = await submit(labelled('red'));
    const stopped = (last: string) => (frame: { id?: string }) => frame.id === last;
    const live = await call('/stream?label=team:red');
    const runs = [before, await submit(labelled('red')), await submit(labelled('red'))];
    await finish(await submit(labelled('blue')));
    await Promise.all(runs.map(finish));
    const rest = await readFrames(
      await call(`/stream?label=team:red&lastEventId=0`, {}, second),
      (frame) => frame.data.type === 'complete' && frame.data.runId !== before,
    );
    expect(rest[0]!.data.type).toBe('start');
    let ends = 0;
    const seen = await readFrames(live, (frame) => frame.data.type === 'complete' && ++ends === 3);
    expect(new Set(seen.map((frame) => frame.data.runId))).toEqual(new Set(runs));
    const places = seen.map((frame) => Number(frame.id));
    expect(places).toEqual([...places].sort((a, b) => a - b));
    expect(seen.filter((frame) => frame.data.runId === runs[1]).map((frame) => frame.event)).toEqual([
      'start',
      'node_start',
      'node_complete',
      'node_start',
      'node_complete',
      'complete',
    ]);
    const last = seen.at(-1)!.id!;
    for (const index of [0, 3, Math.floor(seen.length / 2), seen.length - 2]) {
      const again = await readFrames(
        await call('/stream?label=team:red', { headers: { 'last-event-id': seen[index]!.id! } }, second),
        stopped(last),
      );
      expect(again.map((frame) => frame.id)).toEqual(seen.slice(index + 1).map((frame) => frame.id));
    }
  });

  it('begins with a snapshot when asked, and filters without moving the cursor', async () => {
    const runId = await submit(envelope);
    const seq = (await dispatch(runId, 'a')).seq;
    const response = await call(`/runs/${runId}/stream?snapshot=true&types=node_start,complete`);
    const reading = readFrames(response);
    await finish(runId);
    const [snapshot, ...deltas] = await reading;
    expect(snapshot).toMatchObject({
      event: 'snapshot',
      id: undefined,
      data: { runId, nodes: { a: { status: 'running' } } },
    });
    expect(new Set(deltas.map((frame) => frame.event))).toEqual(new Set(['node_start', 'complete']));
    expect(Number(deltas[0]!.id)).toBeGreaterThan(seq);
    // An EventSource comes back with the same query and the last frame that it got, and has to hear that there is no more.
    for (const query of ['snapshot=true', 'snapshot=true&types=node_start'])
      expect((await call(`/runs/${runId}/stream?${query}&lastEventId=${deltas.at(-1)!.id}`)).status).toBe(204);
    expect((await call('/stream?label=a:b&snapshot=true')).status).toBe(400);
  });

  it.each([
    ['not JSON', '{"objective": ', 400, 'invalid_json', undefined],
    ['a list', '[]', 422, 'invalid_envelope', ''],
    [
      'no objective',
      '{"outputContract": {"mode": "freeform", "instructions": "x"}}',
      422,
      'invalid_envelope',
      '/objective',
    ],
    ['an unknown field', JSON.stringify({ ...envelope, objectve: 'x' }), 422, 'invalid_envelope', '/objectve'],
    ['a wrong type', JSON.stringify({ ...envelope, objective: 7 }), 422, 'invalid_envelope', '/objective'],
    ['no output contract', '{"objective": "x"}', 422, 'invalid_envelope', '/outputContract'],
    [
      'a contract that is no schema',
      JSON.stringify({ objective: 'x', outputContract: { mode: 'json_schema', schema: { type: 'strnig' } } }),
      422,
      'invalid_envelope',
      '/outputContract/schema/type',
    ],
    [
      'an unknown facet',
      JSON.stringify({ objective: 'x', outputContract: { mode: 'facets', facets: ['nope'] } }),
      422,
      'invalid_envelope',
      '/outputContract/facets/0',
    ],
    ['depth', `${'['.repeat(200)}${']'.repeat(200)}`, 400, 'too_deep', undefined],
  ])('refuses %s with a pointer', async (_, body, status, code, pointer) => {
    for (const path of ['/runs', '/run.stream']) {
      const response = await call(path, {
        method: 'POST',
        body,
        headers: { 'content-type': 'application/json', 'x-request-id': 'me-1' },
      });
      expect(response.headers.get('content-type')).toContain('application/problem+json');
      expect(response.headers.get('x-request-id')).toBe('me-1');
      const problem = (await response.json()) as { code: string; status: number; errors?: { pointer: string }[] };
      expect({ status: response.status, code: problem.code }).toEqual({ status, code });
      expect(problem.status).toBe(status);
      if (pointer !== undefined) expect(problem.errors?.map((error) => error.pointer)).toContain(pointer);
      expect(JSON.stringify(problem)).not.toMatch(/node_modules|\.ts:|\.js:/);
    }
  });

  it('refuses what is no cursor, no run, no JSON', async () => {
    expect((await call('/runs/nope')).status).toBe(404);
    expect((await call('/runs/a.b.*/stream')).status).toBe(404);
    expect((await call('/runs/nope/stream', { headers: { 'last-event-id': 'x' } })).status).toBe(400);
    expect((await call('/nope')).status).toBe(404);
    expect((await call('/runs/nope/stream', { method: 'HEAD' })).status).toBe(405);
    const wrong = await call('/runs/nope/plan', { method: 'DELETE' });
    expect([wrong.status, wrong.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
    expect(await wrong.json()).toMatchObject({ code: 'method_not_allowed', detail: 'This address takes GET, HEAD' });
    expect((await call('/runs?limit=1', { method: 'PUT' })).headers.get('allow')).toBe('GET, HEAD, POST');
    expect((await call('/runs?status=nope')).status).toBe(400);
    expect((await call('/runs?cursor=nope')).status).toBe(400);
    expect((await call('/runs', { method: 'POST', body: 'x', headers: { 'content-type': 'text/plain' } })).status).toBe(
      415,
    );
  });

  it('judges a task without running it: a plan, or why there is none', async () => {
    const judge = async (body: object) =>
      (await (await post('/runs/validate', body)).json()) as {
        valid: boolean;
        errors: { pointer: string }[];
        diagnostics: { code: string }[];
        plan?: object;
      };
    expect(await judge({ outputContract: envelope.outputContract })).toMatchObject({
      valid: false,
      errors: [{ pointer: '/objective' }],
    });
    const nothing = await judge(envelope);
    expect(nothing.errors).toEqual([]);
    expect(nothing.diagnostics.length).toBeGreaterThan(0);
    const draft = {
      nodes: [
        { id: 'a', kind: 'execution', capabilityId: 'agent.absent', label: 'A', inputFacets: [], outputFacets: [] },
      ],
    };
    const refused = await judge({ ...envelope, plan: draft });
    expect(refused.valid).toBe(false);
    expect(refused.diagnostics.map((diagnostic) => diagnostic.code)).toContain('CAPABILITY_NOT_REGISTERED');
  });

  it('takes inputs of 5 MB and says when a body is too large', async () => {
    const text = 'x'.repeat(5 * 1024 * 1024);
    const runId = await submit({ ...envelope, inputs: { text } });
    const events = (await (await call(`/runs/${runId}/events`)).json()) as {
      items: { data: { envelope: { inputs: { text: string } } } }[];
    };
    expect(events.items[0]!.data.envelope.inputs.text.length).toBe(text.length);
    const large = await post('/runs', { ...envelope, inputs: { text: 'x'.repeat(33 * 1024 * 1024) } });
    expect(large.status).toBe(413);
  });

  it('carries out a request with an Idempotency-Key once', async () => {
    const headers = { 'idempotency-key': 'k1' };
    const [one, two] = [await submit(envelope, headers), await submit(envelope, headers)];
    expect(two).toBe(one);
    expect((await post('/runs', { ...envelope, objective: 'Another' }, headers)).status).toBe(422);
    const streamed = await post('/run.stream', envelope, { 'idempotency-key': 'k2' });
    const runId = streamed.headers.get('x-run-id')!;
    const again = await post('/run.stream', envelope, { 'idempotency-key': 'k2' }, second);
    expect(again.headers.get('x-run-id')).toBe(runId);
    await finish(runId);
    expect(await readFrames(again)).toEqual(await readFrames(streamed));
  });

  it('gives the first answer again for any POST under an Idempotency-Key, and refuses another request under it', async () => {
    const requests: [string, object, object][] = [
      ['/runs/validate', envelope, { ...envelope, objective: 'Another' }],
      ['/facets/compile', { facets: ['none'], direction: 'input' }, { facets: ['other'], direction: 'input' }],
      // Characters that Postgres does not take as text come back as they were sent.
      ['/runs/validate', { ...envelope, 'a\u0000\ud800': 1 }, envelope],
      ['/stream.ticket', { expiresInSeconds: 60 }, { expiresInSeconds: 61 }],
    ];
    for (const [key, [path, body, another]] of requests.entries()) {
      const headers = { 'idempotency-key': `once-${key}` };
      const [first, again] = [await post(path, body, headers), await post(path, body, headers)];
      expect([first.headers.get('idempotency-replayed'), again.headers.get('idempotency-replayed')]).toEqual([
        null,
        'true',
      ]);
      expect(await again.json()).toEqual(await first.json());
      const refused = await post(path, another, headers);
      expect([path, refused.status, ((await refused.json()) as { code: string }).code]).toEqual([
        path,
        422,
        'idempotency_key_reused',
      ]);
    }
  });

  it('carries it out once however many ask at once, and nobody waits for a first one that may have died', async () => {
    const headers = { 'idempotency-key': 'k3' };
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, i) => post('/runs', envelope, headers, i % 2 === 0 ? gateway : second)),
    );
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 202));
    const runIds = await Promise.all(answers.map(async (answer) => ((await answer.json()) as { runId: string }).runId));
    expect(new Set(runIds).size).toBe(1);
    const { items } = (await (await call(`/runs/${runIds[0]}/events?types=run.submitted`)).json()) as {
      items: object[];
    };
    expect(items).toHaveLength(1);
  });

  it('passes commands on while the run is open, at the version that was seen', async () => {
    const runId = await submit(envelope);
    const unreadable = await post(`/runs/${runId}/replan`, { operations: [] }, { 'if-match': '"v1"' });
    expect(unreadable.status).toBe(400);
    expect(await unreadable.json()).toMatchObject({
      code: 'invalid_header',
      detail: expect.stringContaining('If-Match'),
    });
    expect((await post(`/runs/${runId}/pause`, { reason: 'lunch' })).status).toBe(202);
    expect((await call(`/runs/${runId}/pause`, { method: 'POST' })).status).toBe(202);
    expect((await post(`/runs/${runId}/resume`, { expectedPlanVersion: 3 })).status).toBe(409);
    expect((await post('/run.resume', { runId, expectedPlanVersion: 3 })).status).toBe(409);
    expect((await post(`/runs/${runId}/signal`, { kind: 'metric' })).status).toBe(422);
    expect((await post(`/runs/${runId}/signal`, { kind: 'message', message: 'Hurry', replan: true })).status).toBe(202);
    await finish(runId);
    const refused = await post(`/runs/${runId}/cancel`, {});
    expect(refused.status).toBe(409);
    expect(await refused.json()).toMatchObject({ code: 'run_ended' });
    const { items } = (await (
      await call(`/runs/${runId}/events?types=run.pause_requested,policy.signalled`)
    ).json()) as { items: { type: string }[] };
    expect(items.map((event) => event.type)).toEqual([
      'run.pause_requested',
      'run.pause_requested',
      'policy.signalled',
    ]);
  });

  it('takes one answer to a task, when it fits', async () => {
    const runId = await submit(envelope);
    const task = {
      taskId: `${runId}-1-1`,
      kind: 'output',
      prompt: 'Write',
      onTimeout: 'none',
      round: 0,
      contract: {
        facets: ['copy'],
        schema: { type: 'object', required: ['copy'], properties: { copy: { type: 'string' } } },
      },
    };
    await append('hitl.requested', runId, { task });
    const open = async (): Promise<unknown[]> =>
      ((await (await call(`/tasks?runId=${runId}`)).json()) as { items: unknown[] }).items;
    while ((await open()).length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await (await call(`/tasks/${task.taskId}`)).json()).toMatchObject({ kind: 'output', status: 'open' });
    const wrong = await post(`/tasks/${task.taskId}/resolve`, { resolution: 'output', output: { copy: 7 } });
    expect(wrong.status).toBe(422);
    expect(await wrong.json()).toMatchObject({ code: 'invalid_answer', errors: [{ pointer: '/output/copy' }] });
    expect((await post(`/tasks/${task.taskId}/resolve`, { resolution: 'approve' })).status).toBe(422);
    const answers = await Promise.all(
      [gateway, second].map((replica) =>
        post(`/tasks/${task.taskId}/resolve`, { resolution: 'output', output: { copy: 'x' } }, {}, replica),
      ),
    );
    expect(answers.map((answer) => answer.status).sort()).toEqual([202, 409]);
    expect((await post(`/tasks/${task.taskId}/decline`, {})).status).toBe(409);
    expect((await post(`/tasks/nope/decline`, {})).status).toBe(404);
    await finish(runId);
    while ((await open()).length > 0) await new Promise((resolve) => setTimeout(resolve, 20));
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
