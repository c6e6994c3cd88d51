import { inOrder, resumesExactly, wellFormed } from '../harness/expectations.js';
import { example, target } from '../harness/target.js';

/** Scenario 5: the review's score is below the policy's threshold, so the plan changes mid-run. */
describe('Mid-run policy', () => {
  const http = target.http();

  it('stops dispatch, asks for a delta, merges it as version 2, and completes', async () => {
    const stream = http.stream(example('qa-replan'));
    const frames = await stream.completed();
    wellFormed(stream);
    inOrder(stream.types, [
      'start',
      'plan_requested',
      'plan_generated',
      'node_complete',
      'policy_triggered',
      'plan_requested',
      'plan_updated',
      'node_start',
      'complete',
    ]);
    expect(frames.at(-1)!.payload['status']).toBe('completed');

    const trigger = frames.findIndex((frame) => frame.type === 'policy_triggered');
    const update = frames.findIndex((frame) => frame.type === 'plan_updated');
    const between = frames.slice(trigger, update);
    expect(between.filter((frame) => frame.type === 'node_start')).toEqual([]);
    const asked = between.find((frame) => frame.type === 'plan_requested')!;
    expect(asked.payload).toMatchObject({ phase: 'replan', attempt: 1, baseVersion: 1 });
    expect(frames[update]!.payload).toMatchObject({ previousVersion: 1, version: 2, trigger: { kind: 'policy' } });
    expect(frames[update]!.planVersion).toBe(2);

    // Finished nodes are locked: version 2 has them unchanged, and none of them ran again.
    const { runId } = frames[0]!;
    const [one, two] = await Promise.all([http.plan(runId, 1), http.plan(runId, 2)]);
    const done = frames
      .slice(0, trigger)
      .filter((frame) => frame.type === 'node_complete')
      .map((frame) => frame.nodeId!);
    expect(done.length).toBeGreaterThan(0);
    for (const id of done) {
      expect(two.nodes.find((node) => node.id === id)).toEqual(one.nodes.find((node) => node.id === id));
      expect(frames.slice(update).some((frame) => frame.type === 'node_start' && frame.nodeId === id)).toBe(false);
    }
    expect(two).toMatchObject({ version: 2, parentVersion: 1 });
    expect((await http.planVersions(runId)).map((version) => [version.version, version.cause.kind])).toEqual([
      [1, 'initial'],
      [2, 'policy'],
    ]);
    expect(await http.run(runId)).toMatchObject({ status: 'completed', planVersion: 2, replans: 1 });
    await resumesExactly(http, stream);
  });
});
