import { inOrder, resumesExactly, wellFormed } from '../harness/expectations.js';
import { example, target } from '../harness/target.js';

/** Scenario 3: an e-mail for which only a weakly matching capability is registered. */
describe('Rejection letter', () => {
  const http = target.http();

  it('marks the weak match, asks a person, and goes on with the answer', async () => {
    const stream = http.stream(example('rejection-letter'));
    await stream.untilType('plan_generated');
    const asked = await stream.untilType('hitl_request');
    const { runId } = asked;
    const plan = await http.plan(runId);
    const weak = plan.nodes.filter((node) => node.kind === 'fallback' || node.derivedFrom !== undefined);
    expect(weak.length).toBeGreaterThan(0);
    expect((await http.run(runId)).status).toBe('awaiting_human');

    const tasks = await http.openTasks(runId);
    expect(tasks.map((task) => task.taskId)).toContain(asked.payload['taskId']);
    const task = tasks.find((candidate) => candidate.taskId === asked.payload['taskId'])!;
    expect(task.prompt.length).toBeGreaterThan(0);
    if (task.kind === 'output') {
      expect(task.contract?.facets.length).toBeGreaterThan(0);
      const letter = [
        { headline: 'Your application', body: 'Thank you. We chose another candidate.', callToAction: 'Stay in touch' },
      ];
      await http.resolve(task.taskId, {
        resolution: 'output',
        output: Object.fromEntries(task.contract!.facets.map((facet) => [facet, letter])),
      });
    } else {
      await http.resolve(task.taskId, { resolution: 'approve', comment: 'read and approved' });
    }
    const frames = await stream.completed();
    wellFormed(stream);
    await resumesExactly(http, stream);
    inOrder(stream.types, [
      'start',
      'plan_requested',
      'plan_generated',
      'plan_fallback',
      'hitl_request',
      'hitl_resolved',
      'complete',
    ]);
    expect(frames.at(-1)!.payload['status']).toBe('completed');
    expect(await http.openTasks(runId)).toEqual([]);

    // An answer counts once.
    const again = await http.refused('POST', `/api/v1/flex/tasks/${encodeURIComponent(task.taskId)}/resolve`, {
      resolution: 'approve',
    });
    expect(again).toMatchObject({ status: 409, code: 'task_closed' });
  });
});
