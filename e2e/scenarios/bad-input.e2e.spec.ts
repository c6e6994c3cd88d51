import { connect, type NatsConnection } from '@nats-io/transport-node';
import type { Problem } from '@flex/contracts';
import { capabilityOf, facetOf, names, publish } from '../harness/catalog.js';
import { wellFormed } from '../harness/expectations.js';
import { OutsideAgent } from '../harness/outside-agent.js';
import { target, unique } from '../harness/target.js';
import { natsAccess } from '../harness/nats-access.js';

const RUNS = '/api/v1/flex/runs';
const contract = { mode: 'freeform', instructions: 'one sentence' };
const envelope = (rest: object): object => ({ objective: 'x', outputContract: contract, ...rest });
const runtime = (policy: object): object => ({
  policies: { runtime: [{ id: 'p', trigger: { kind: 'onStart' }, action: { type: 'pause' }, ...policy }] },
});

/** Everything here is refused in the words of RFC 9457, with pointers, and harms nobody. */
describe('Bad input', () => {
  const http = target.http();
  let nats: NatsConnection;
  let agent: OutsideAgent;
  const { asked, answered, checked } = names('asked', 'answered', 'checked') as Record<
    'asked' | 'answered' | 'checked',
    string
  >;
  const capabilityId = unique('echo.');
  const task = {
    objective: 'Echo',
    inputs: { [asked]: 'hello' },
    outputContract: { mode: 'facets', facets: [answered] },
  };

  beforeAll(async () => {
    nats = await connect(natsAccess(target.natsUrl()));
    await publish(http, [
      facetOf(asked, { type: 'string' }, 'input'),
      facetOf(answered, { type: 'string' }),
      facetOf(checked, { type: 'object', required: ['score'], properties: { score: { type: 'number' } } }),
    ]);
    agent = await OutsideAgent.start(
      http,
      nats,
      capabilityOf(capabilityId, 'execution', [asked], [answered]),
      ({ inputs }) => ({
        // A report of this agent has to fit into one message.
        [answered]: String(inputs[asked]).slice(0, 1000),
      }),
    );
  }, 30_000);
  afterAll(async () => {
    await agent?.stop();
    await nats?.close();
  });

  const pointers = (problem: Problem): string[] => (problem.errors ?? []).map((issue) => issue.pointer);
  const expectProblem = (problem: Problem, status: number, code: string): void => {
    expect({ status: problem.status, code: problem.code }).toEqual({ status, code });
    expect(problem.title.length).toBeGreaterThan(0);
    expect(JSON.stringify(problem)).not.toMatch(/\bat [^ ]+ \(|node_modules|\.js:\d+/);
  };

  it('what is not JSON', async () => {
    expectProblem(await http.refused('POST', RUNS, '{"objective": '), 400, 'invalid_json');
  });

  it.each<[string, object, string]>([
    ['a missing objective', { outputContract: contract }, '/objective'],
    ['a wrong type', envelope({ objective: 7 }), '/objective'],
    ['an unknown field', envelope({ objectif: 'x' }), '/objectif'],
    [
      'an unknown field deep inside',
      envelope({ policies: { planner: { topologi: {} } } }),
      '/policies/planner/topologi',
    ],
    ['an unknown trigger', envelope(runtime({ trigger: { kind: 'onFullMoon' } })), '/policies/runtime/0/trigger'],
    ['an unknown action', envelope(runtime({ action: { type: 'explode' } })), '/policies/runtime/0/action'],
  ])('%s', async (_case, body, pointer) => {
    const problem = await http.refused('POST', RUNS, body);
    expectProblem(problem, 422, 'invalid_envelope');
    expect(pointers(problem).some((found) => found.startsWith(pointer))).toBe(true);
  });

  it.each<[string, object, string]>([
    [
      'an output contract that is not a schema',
      envelope({ outputContract: { mode: 'json_schema', schema: { type: 'strnig' } } }),
      '/outputContract/schema',
    ],
    [
      'a facet that does not exist',
      envelope({ outputContract: { mode: 'facets', facets: ['noSuchFacet'] } }),
      '/outputContract/facets/0',
    ],
    ['an input that breaks its facet', { ...task, inputs: { [asked]: { not: 'text' } } }, `/inputs/${asked}`],
  ])('%s', async (_case, body, pointer) => {
    const problem = await http.refused('POST', RUNS, body);
    expectProblem(problem, 422, 'invalid_envelope');
    expect(pointers(problem).some((found) => found.startsWith(pointer))).toBe(true);
  });

  it.each<[string, object, string, RegExp]>([
    [
      'a condition that does not compile',
      runtime({ trigger: { kind: 'onStart', condition: 'facets.a <' } }),
      'CONDITION_INVALID',
      /column|line|expected/i,
    ],
    [
      'a capability both required and forbidden',
      { policies: { planner: { selection: { require: [capabilityId], forbid: [capabilityId] } } } },
      'POLICY_CONFLICT',
      /require|forbid/i,
    ],
  ])('%s ends the run with the finding, before anything runs', async (_case, rest, code, said) => {
    const answer = await http.send<Problem>('POST', RUNS, { ...task, ...rest });
    if (answer.status >= 400) {
      // Refused at the door is as good.
      expect(JSON.stringify(answer.body)).toContain(code);
      expect(JSON.stringify(answer.body)).toMatch(said);
      return;
    }
    const stream = http.follow((answer.body as unknown as { runId: string }).runId);
    const frames = await stream.completed();
    wellFormed(stream);
    expect(stream.types).not.toContain('node_start');
    expect(frames.at(-1)!.payload['status']).toBe('failed');
    expect(JSON.stringify(frames.at(-1)!.payload['error'])).toContain(code);
    expect(JSON.stringify(frames.at(-1)!.payload['error'])).toMatch(said);
  });

  it('a client’s own plan with a cycle, or without what it names', async () => {
    const node = (id: string, inputFacets: string[], outputFacets: string[]) => ({
      id,
      kind: 'execution',
      capabilityId,
      label: id,
      inputFacets,
      outputFacets,
    });
    const stream = http.stream({
      ...task,
      plan: {
        nodes: [node('a', [asked], [answered]), node('b', [asked], [answered])],
        edges: [
          { from: 'a', to: 'b' },
          { from: 'b', to: 'a' },
        ],
      },
    });
    const frames = await stream.completed();
    expect(frames.at(-1)!.payload['status']).toBe('failed');
    expect(JSON.stringify(frames.find((frame) => frame.type === 'plan_rejected')?.payload)).toContain('CYCLE');
  });

  it('a run, a task and a capability that do not exist', async () => {
    expectProblem(await http.refused('GET', `${RUNS}/nobody`), 404, 'run_not_found');
    expectProblem(await http.refused('GET', `${RUNS}/nobody/stream`), 404, 'run_not_found');
    expectProblem(
      await http.refused('POST', '/api/v1/flex/tasks/nobody-1-0/resolve', { resolution: 'approve' }),
      404,
      'task_not_found',
    );
    expectProblem(await http.refused('GET', '/api/v1/flex/capabilities/no.body'), 404, 'capability_not_found');
  });

  it('a cursor that is none', async () => {
    const runId = await http.submit(task);
    await http.follow(runId).completed();
    const answer = await http.send<Problem>('GET', `${RUNS}/${runId}/stream`, undefined, {
      'last-event-id': 'yesterday',
    });
    expectProblem(answer.body, 400, 'invalid_cursor');
    expectProblem(await http.refused('POST', `${RUNS}/${runId}/pause`), 409, 'run_ended');
  });

  it('edits that would change what is done, on a run that goes on unharmed', async () => {
    const stream = http.stream({
      ...task,
      policies: {
        runtime: [{ id: 'ask', trigger: { kind: 'onNodeComplete' }, action: { type: 'hitl', rationale: 'Good?' } }],
      },
    });
    const question = await stream.untilType('hitl_request');
    const { runId } = question;
    const plan = await http.plan(runId);
    const done = plan.nodes.find((node) => node.capabilityId === capabilityId)!;
    await http.ok('POST', `${RUNS}/${runId}/replan`, {
      baseVersion: 1,
      operations: [{ op: 'removeNode', nodeId: done.id }],
    });
    const rejected = await stream.untilType('plan_rejected');
    expect(JSON.stringify(rejected.payload)).toContain('COMPLETED_NODE_CHANGED');
    expectProblem(
      await http.refused('POST', `${RUNS}/${runId}/replan`, { baseVersion: 3, operations: [] }),
      409,
      'stale_plan_version',
    );

    const path = `/api/v1/flex/tasks/${question.payload['taskId'] as string}/resolve`;
    expectProblem(await http.refused('POST', path, { resolution: 'edit', operations: [] }), 422, 'invalid_answer');
    await http.ok('POST', path, { resolution: 'approve' });
    const frames = await stream.completed();
    expect(frames.at(-1)!.payload).toMatchObject({ status: 'completed', output: { [answered]: 'hello' } });
    expectProblem(await http.refused('POST', path, { resolution: 'approve' }), 409, 'task_closed');
  });

  it('a capability that makes a facet nobody knows', async () => {
    const problem = await http.refused(
      'POST',
      '/api/v1/flex/capabilities',
      capabilityOf(unique('bad.'), 'execution', [asked], ['noSuchFacet']),
    );
    expect(problem.status).toBeGreaterThanOrEqual(400);
    expect(problem.status).toBeLessThan(500);
    expect(JSON.stringify(problem)).toContain('noSuchFacet');
    expect(pointers(problem).some((pointer) => pointer.startsWith('/outputFacets'))).toBe(true);
  });

  it('inputs of five megabytes are no bad input: they arrive whole', async () => {
    const big = 'x'.repeat(5 * 1024 * 1024);
    const runId = await http.submit({
      ...task,
      objective: 'Big',
      inputs: { [asked]: big },
      outputContract: { mode: 'freeform', instructions: 'anything' },
      plan: ownPlan(),
    });
    const stored = await http.stored(runId);
    const submitted = stored.find((event) => event.type === 'run.submitted')!;
    const inputs = (submitted.data['envelope'] as { inputs: Record<string, string> }).inputs;
    expect(inputs[asked]?.length).toBe(big.length);
    await http.ok('POST', `${RUNS}/${runId}/cancel`, {});
  });
  const ownPlan = () => ({
    nodes: [
      { id: 'echo', kind: 'execution', capabilityId, label: 'Echo', inputFacets: [asked], outputFacets: [answered] },
    ],
  });
});
