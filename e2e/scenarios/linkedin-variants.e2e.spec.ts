import { inOrder, resumesExactly, wellFormed } from '../harness/expectations.js';
import { example, target } from '../harness/target.js';

/** Scenario 1: two variants, tone, audience, and an output contract whose shape differs from what the writer makes. */
describe('LinkedIn variants', () => {
  const http = target.http();

  it('streams a plan, its nodes and exactly two variants, and keeps them', async () => {
    const stream = http.stream(example('linkedin-variants'));
    const frames = await stream.completed();
    wellFormed(stream);
    inOrder(stream.types, ['start', 'plan_requested', 'plan_generated', 'node_start', 'node_complete', 'complete']);

    const last = frames.at(-1)!;
    expect(last.payload['status']).toBe('completed');
    const output = last.payload['output'] as { variants: Record<string, string>[] };
    expect(Object.keys(output)).toEqual(['variants']);
    expect(output.variants).toHaveLength(2);
    for (const variant of output.variants) {
      expect(Object.keys(variant).toSorted()).toEqual(['body', 'callToAction', 'headline']);
      for (const text of Object.values(variant)) expect(text.length).toBeGreaterThan(0);
    }
    expect(output.variants[0]).not.toEqual(output.variants[1]);

    const { runId } = last;
    const run = await http.run(runId);
    expect(run).toMatchObject({ status: 'completed', planVersion: 1, output });
    expect(Object.values(run.nodes).every((node) => node.status === 'completed' || node.status === 'skipped')).toBe(
      true,
    );
    await resumesExactly(http, stream);
  });

  it('plans structuring, execution, validation and transformation, each annotated', async () => {
    const runId = await http.submit(example('linkedin-variants'));
    const watched = http.follow(runId);
    await watched.completed();
    wellFormed(watched);
    const plan = await http.plan(runId);
    const kinds = plan.nodes.map((node) => node.kind);
    for (const kind of ['structuring', 'execution', 'validation', 'transformation']) expect(kinds).toContain(kind);
    for (const node of plan.nodes) {
      expect(node.inputSchema).toBeDefined();
      expect(node.outputSchema).toBeDefined();
      expect(node.rationale.length).toBeGreaterThan(0);
      if (node.capabilityId) expect(node.selection?.score).toBeGreaterThan(0);
      for (const facet of node.facets.input) {
        expect(node.provenance.map((source) => source.facet)).toContain(facet);
      }
    }
    expect(plan).toMatchObject({ version: 1, cause: { kind: 'initial' } });
    expect(plan.metadata.registryRevision).toBeGreaterThan(0);
    // Each node that a worker executes was dispatched once, by the log.
    const dispatched = (await http.stored(runId)).filter((event) => event.type === 'node.dispatched');
    const byWorkers = plan.nodes.filter((node) => node.capabilityKey !== undefined && node.kind !== 'fallback');
    expect(dispatched.map((event) => event.data['nodeId']).toSorted()).toEqual(
      byWorkers.map((node) => node.id).toSorted(),
    );
  });
});
