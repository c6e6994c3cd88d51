import { sql } from 'kysely';
import type { DraftNode } from '@flex/contracts';
import { connectPostgres } from '@flex/events/postgres';
import { capabilityOf, facetOf, publish } from '../harness/catalog.js';
import { inOrder, resumesExactly, wellFormed } from '../harness/expectations.js';
import { OutsideAgent } from '../harness/outside-agent.js';
import { OwnStack } from '../harness/own-stack.js';

/** Scenarios 6 and 7, on a stack that starts with an empty registry. */
describe('People, restarts, and nothing registered', () => {
  let stack: OwnStack;
  const agents: OutsideAgent[] = [];

  beforeAll(async () => {
    stack = await OwnStack.start({ without: ['worker'] });
  }, 120_000);
  afterAll(async () => {
    for (const agent of agents) await agent.stop();
    await stack?.stop();
  }, 60_000);

  const freeform = {
    objective: 'Summarise the week',
    outputContract: { mode: 'freeform', instructions: 'Three sentences.' },
  };

  it('with an empty registry says what is missing and asks a person, who may give the output', async () => {
    const stream = stack.http.stream(freeform);
    const asked = await stream.untilType('hitl_request');
    expect(asked.payload['diagnostics']).not.toEqual([]);
    const [task] = await stack.http.openTasks(asked.runId);
    expect(task?.prompt).toContain('Summarise the week');
    expect(task?.diagnostics?.every((finding) => finding.message.length > 0)).toBe(true);
    expect((await stack.http.run(asked.runId)).status).toBe('awaiting_human');

    await stack.http.resolve(task!.taskId, { resolution: 'output', output: { output: 'It was a week.' } });
    const frames = await stream.completed();
    wellFormed(stream);
    await resumesExactly(stack.http, stream);
    expect(frames.at(-1)!.payload).toMatchObject({ status: 'completed', output: 'It was a week.' });
  });

  it('with an empty registry ends with the reason when the person gives up', async () => {
    const stream = stack.http.stream(freeform);
    const asked = await stream.untilType('hitl_request');
    await stack.http.resolve(asked.payload['taskId'] as string, { resolution: 'reject', comment: 'not worth it' });
    const frames = await stream.completed();
    expect(frames.at(-1)!.payload).toMatchObject({ status: 'failed', error: { message: 'not worth it' } });
  });

  it('an approval pauses the run, survives the restart of every service, and resumes at the latest version', async () => {
    await catalogue();
    const stream = stack.http.stream({
      objective: 'Publish a note',
      inputs: { topic: 'restarts' },
      outputContract: { mode: 'facets', facets: ['published'] },
      policies: {
        runtime: [
          {
            id: 'second-pair-of-eyes',
            trigger: { kind: 'onNodeComplete', selector: { capabilityId: 'notes.write' } },
            action: { type: 'hitl', rationale: 'May this be published?' },
          },
        ],
      },
    });
    const asked = await stream.untilType('hitl_request');
    const { runId } = asked;
    expect(asked.payload).toMatchObject({
      kind: 'approval',
      policyId: 'second-pair-of-eyes',
      prompt: 'May this be published?',
    });

    // An operator edits what is still to come: version 2, while the question is open.
    const plan = await stack.http.plan(runId);
    const node = plan.nodes.find((candidate) => candidate.capabilityId === 'notes.publish')!;
    const edited: DraftNode = { ...node.draft, instruction: 'Publish it quietly.' };
    await stack.http.ok('POST', `/api/v1/flex/runs/${runId}/replan`, {
      baseVersion: 1,
      operations: [{ op: 'replaceNode', node: edited }],
    });
    await stream.untilType('plan_updated');

    await stack.restartServices();
    expect(await stack.http.run(runId)).toMatchObject({ status: 'awaiting_human', planVersion: 2 });
    const [task] = await stack.http.openTasks(runId);
    expect(task?.taskId).toBe(asked.payload['taskId']);
    expect(agents[1]!.seen.filter((item) => item.runId === runId)).toEqual([]);

    // A client that lost its connection goes on behind the last frame that it saw.
    const rest = stack.http.follow(runId, stream.frames.at(-1)!.id);
    await stack.http.resolve(task!.taskId, { resolution: 'approve' });
    const frames = await rest.completed();
    expect(frames.at(-1)!.payload).toMatchObject({
      status: 'completed',
      output: { published: 'note about restarts, published' },
    });
    inOrder(
      frames.map((frame) => frame.type),
      ['hitl_resolved', 'node_start', 'node_complete', 'complete'],
    );

    const work = agents[1]!.seen.filter((item) => item.runId === runId);
    expect(work).toHaveLength(1);
    expect(work[0]).toMatchObject({ planVersion: 2, attempt: 1 });
    expect(work[0]!.instruction).toContain('Publish it quietly.');
    expect(agents[0]!.seen.filter((item) => item.runId === runId)).toHaveLength(1);
    const whole = stack.http.follow(runId);
    await whole.completed();
    wellFormed(whole);
    const seen = stream.frames.map((frame) => frame.id);
    expect(whole.frames.map((frame) => frame.id)).toEqual([...seen, ...frames.map((frame) => frame.id)]);
  });

  it('an operator edits the plan before it runs: a new version, and the edit takes effect', async () => {
    await catalogue();
    const stream = stack.http.stream({
      objective: 'Publish a note',
      inputs: { topic: 'reviews' },
      outputContract: { mode: 'facets', facets: ['published'] },
      review: true,
    });
    const asked = await stream.untilType('hitl_request');
    const { runId } = asked;
    expect(asked.payload).toMatchObject({ kind: 'review', planVersion: 1 });
    expect((await stack.http.run(runId)).status).toBe('awaiting_review');
    expect(stream.types).not.toContain('node_start');

    const plan = await stack.http.plan(runId);
    const node = plan.nodes.find((candidate) => candidate.capabilityId === 'notes.write')!;
    // An edit that does not fit its version is refused, and the run goes on unharmed.
    const taskId = asked.payload['taskId'] as string;
    const path = `/api/v1/flex/tasks/${encodeURIComponent(taskId)}/resolve`;
    const edit = {
      resolution: 'edit',
      baseVersion: 1,
      operations: [{ op: 'replaceNode', node: { ...node.draft, label: 'Write it short' } }],
    };
    const stale = await stack.http.refused('POST', path, { ...edit, baseVersion: 7 });
    expect(stale).toMatchObject({ status: 409, code: 'stale_plan_version' });

    await stack.http.ok('POST', path, edit);
    const frames = await stream.completed();
    wellFormed(stream);
    await resumesExactly(stack.http, stream);
    inOrder(stream.types, [
      'plan_generated',
      'hitl_request',
      'plan_updated',
      'hitl_resolved',
      'node_start',
      'complete',
    ]);
    expect(frames.at(-1)!.payload).toMatchObject({ status: 'completed' });
    expect((await stack.http.plan(runId, 2)).nodes.find((candidate) => candidate.id === node.id)?.label).toBe(
      'Write it short',
    );
    expect((await stack.http.planVersions(runId)).map((version) => version.cause.kind)).toEqual(['initial', 'review']);
    expect((await stack.http.run(runId)).planVersion).toBe(2);
  });

  it('read models and snapshots are a function of the log: made again they are what they were, and what is not shows', async () => {
    // One that waits for a person has a snapshot.
    const open = await stack.http.stream(freeform).untilType('hitl_request');
    const first = await stack.command('rebuild', '--json');
    expect(JSON.parse(first.text)).toMatchObject({ differing: [] });
    const second = await stack.command('rebuild', '--json');
    expect(JSON.parse(second.text)).toMatchObject({ differing: [] });
    const db = connectPostgres(stack.databaseUrl);
    try {
      const { rows } = await sql<{ count: string }>`select (select count(*) from gateway.runs)
        + (select count(*) from gateway.tasks) + (select count(*) from orchestrator.runs) as count`.execute(db);
      expect((JSON.parse(second.text) as { compared: number }).compared).toBe(Number(rows[0]!.count));
      await sql`update gateway.runs set objective = 'another' where run_id = ${open.runId}`.execute(db);
      const third = await stack.command('rebuild');
      expect(third.code).toBe(1);
      expect(third.text).toContain(`gateway.runs ${open.runId} differs`);
    } finally {
      await db.destroy();
    }
    expect(await stack.http.run(open.runId)).toMatchObject({ status: 'awaiting_human', objective: freeform.objective });
  });

  async function catalogue(): Promise<void> {
    if (agents.length > 0) return;
    await publish(stack.http, [
      facetOf('topic', { type: 'string' }, 'input'),
      facetOf('note', { type: 'string' }),
      facetOf('published', { type: 'string' }),
    ]);
    agents.push(
      await OutsideAgent.start(
        stack.http,
        stack.nats,
        capabilityOf('notes.write', 'execution', ['topic'], ['note']),
        ({ inputs }) => ({
          note: `note about ${String(inputs['topic'])}`,
        }),
      ),
      await OutsideAgent.start(
        stack.http,
        stack.nats,
        capabilityOf('notes.publish', 'execution', ['note'], ['published']),
        ({ inputs }) => ({
          published: `${String(inputs['note'])}, published`,
        }),
      ),
    );
  }
});
