import type { PlanGraph } from '@flex/contracts';
import { inOrder, resumesExactly, wellFormed } from '../harness/expectations.js';
import { example, target } from '../harness/target.js';

/** Scenario 2: two branches, each with a writer and a validator of its own, in parallel, joined at the end. */
describe('Blog post with two branches', () => {
  const http = target.http();

  it('runs sibling branches in parallel and joins them', async () => {
    const stream = http.stream(example('blog-two-branches'));
    const frames = await stream.completed();
    wellFormed(stream);
    await resumesExactly(http, stream);
    inOrder(stream.types, [
      'start',
      'plan_requested',
      'plan_generated',
      'plan_branch',
      'plan_branch',
      'node_start',
      'complete',
    ]);
    expect(frames.at(-1)!.payload['status']).toBe('completed');
    const branches = frames.filter((frame) => frame.type === 'plan_branch');
    expect(branches.map((frame) => frame.payload['label']).toSorted()).toEqual(['Culture story', 'Product spotlight']);

    const plan = await http.plan(frames[0]!.runId);
    const ids = branches.map((frame) => frame.payload['id'] as string);
    const writers = ids.map((id) => nodeOf(plan, id, 'execution'));
    const validators = ids.map((id) => nodeOf(plan, id, 'validation'));
    expect(new Set([...writers, ...validators].map((node) => node.id)).size).toBe(4);
    // No branch waits for the other: neither writer reaches the other's nodes, and one node waits for both.
    for (const [i, writer] of writers.entries()) {
      const behind = reachable(plan, writer.id);
      expect(behind).toContain(validators[i]!.id);
      expect(behind).not.toContain(writers[1 - i]!.id);
      expect(behind).not.toContain(validators[1 - i]!.id);
    }

    // Both writers start before either is done.
    const starts = writers.map((node) =>
      frames.findIndex((frame) => frame.type === 'node_start' && frame.nodeId === node.id),
    );
    const ends = writers.map((node) =>
      frames.findIndex((frame) => frame.type === 'node_complete' && frame.nodeId === node.id),
    );
    expect(Math.max(...starts)).toBeLessThan(Math.min(...ends));

    const run = await http.run(frames[0]!.runId);
    expect(run.output).toEqual(frames.at(-1)!.payload['output']);
    for (const node of [...writers, ...validators]) expect(run.nodes[node.id]?.status).toBe('completed');
  });
});

function nodeOf(plan: PlanGraph, branchId: string, kind: string) {
  const node = plan.nodes.find((candidate) => candidate.branchId === branchId && candidate.kind === kind);
  if (!node)
    throw new Error(
      `branch ${branchId} has no ${kind} node: ${plan.nodes.map((n) => `${n.id} ${n.kind} ${n.branchId}`).join('; ')}`,
    );
  return node;
}

function reachable(plan: PlanGraph, from: string): string[] {
  const seen = [from];
  for (const id of seen)
    for (const edge of plan.edges) if (edge.from === id && !seen.includes(edge.to)) seen.push(edge.to);
  return seen.slice(1);
}
