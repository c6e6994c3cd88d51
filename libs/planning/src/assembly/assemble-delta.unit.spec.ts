import type { PlanCause, PlanGraph, TaskEnvelope } from '@flex/contracts';
import { mergeDelta } from '../delta/merge-delta.js';
import { validateDelta } from '../validation/validate-delta.js';
import { assembleDelta, type AssembledDelta, type ReplanContext } from './assemble-delta.js';
import { example, planFor, policiesOf, snapshotOf } from './seed-catalogue.spec.js';

interface Replanned {
  before: PlanGraph;
  after: PlanGraph;
  assembled: AssembledDelta;
}

/** Plans an envelope, lets some of it be done, replans, and puts the delta through validation and merge. */
function replan(
  envelope: TaskEnvelope,
  cause: PlanCause,
  progress: Partial<ReplanContext>,
  snapshot = snapshotOf(),
): Replanned {
  const policies = policiesOf(envelope.policies);
  const before = progress.plan ?? planFor(envelope).validated!.plan!;
  const completed = progress.completed ?? [];
  const available = [
    ...Object.keys(envelope.inputs ?? {}),
    ...before.nodes
      .filter((node) => completed.includes(node.id) && node.kind !== 'fallback')
      .flatMap((node) => node.facets.output),
  ];
  const context: ReplanContext = {
    baseVersion: 1,
    plan: before,
    completed,
    running: [],
    failed: [],
    available,
    ...progress,
  };
  const ask = { envelope, policies, snapshot, replan: context, cause, budgetMs: 1000, clock: () => 0 };
  const assembled = assembleDelta(ask);
  expect(assembleDelta(ask)).toEqual(assembled);
  const question = { runId: 'run', tenant: 'default', envelope, policies, snapshot, available };
  const { delta, diagnostics } = validateDelta(
    question,
    before,
    {
      completed: new Set(completed),
      running: new Set(context.running),
      failed: new Set(context.failed.map((node) => node.nodeId)),
    },
    assembled.delta,
    { attempts: 1, cause, selections: assembled.selections },
  );
  expect(diagnostics.filter((found) => found.severity === 'error')).toEqual([]);
  return { before, after: mergeDelta(before, delta!, { cause }), assembled };
}

/** The envelope with room for so many variants. */
function holding(maxItems: number, envelope: TaskEnvelope): TaskEnvelope {
  const schema = structuredClone((envelope.outputContract as { schema: object }).schema) as {
    properties: { variants: object };
  };
  Object.assign(schema.properties.variants, { minItems: 1, maxItems });
  return { ...envelope, outputContract: { mode: 'json_schema', schema } } as TaskEnvelope;
}

const sourcesOf = (plan: PlanGraph, id: string, facet: string): (string | undefined)[] =>
  plan.nodes.find((node) => node.id === id)!.provenance.filter((source) => source.facet === facet).map((source) => source.nodeId); // prettier-ignore
const ids = (plan: PlanGraph): string[] => plan.nodes.map((node) => node.id);

describe('A delta for a plan under way', () => {
  it('writes and checks again what a review rejected, and leaves the rest as it is', () => {
    const done = ['strategist.brief', 'set:planKnobs', 'writer.linkedin', 'fallback:copyVariants', 'reviewer.quality'];
    const cause: PlanCause = {
      kind: 'policy',
      policyId: 'quality-bar',
      nodeId: 'reviewer.quality',
      rationale: 'Write again',
    };
    const { before, after } = replan(example('qa-replan'), cause, { completed: done });
    for (const id of done)
      expect(after.nodes.find((node) => node.id === id)).toBe(before.nodes.find((node) => node.id === id));
    expect(
      ids(after)
        .filter((id) => !done.includes(id))
        .toSorted(),
    ).toEqual(['fallback:copyVariants:v2', 'reviewer.quality:v2', 'writer.linkedin:v2']);
    // The rewrite reads the findings on the first version, and everyone after it reads the rewrite.
    expect(sourcesOf(after, 'writer.linkedin:v2', 'qaFindings')).toEqual(['reviewer.quality']);
    expect(sourcesOf(after, 'writer.linkedin:v2', 'planKnobs')).toEqual(['set:planKnobs']);
    expect(sourcesOf(after, 'reviewer.quality:v2', 'copyVariants')).toContain('writer.linkedin:v2');
    expect(sourcesOf(after, 'reviewer.quality:v2', 'copyVariants')).not.toContain('writer.linkedin');
    expect(after.output.sources?.map((source) => source.nodeId)).toEqual(
      expect.arrayContaining(['writer.linkedin:v2', 'reviewer.quality:v2']),
    );
    expect(after.output.sources?.map((source) => source.nodeId)).not.toContain('writer.linkedin');
    expect(after.nodes.find((node) => node.id === 'writer.linkedin:v2')?.instruction).toContain('Write again');
  });

  it('writes once more what a second review rejected, from neither of the versions before', () => {
    const done = ['strategist.brief', 'set:planKnobs', 'writer.linkedin', 'fallback:copyVariants', 'reviewer.quality'];
    const cause: PlanCause = { kind: 'policy', policyId: 'quality-bar', nodeId: 'reviewer.quality' };
    const { after: second } = replan(example('qa-replan'), cause, { completed: done });
    const rewritten = [...done, 'writer.linkedin:v2', 'fallback:copyVariants:v2', 'reviewer.quality:v2'];
    const { after: third } = replan(
      example('qa-replan'),
      { ...cause, nodeId: 'reviewer.quality:v2' },
      { completed: rewritten, plan: second, baseVersion: 2 },
    );
    expect(ids(third)).toEqual(expect.arrayContaining(['writer.linkedin:v3', 'reviewer.quality:v3']));
    expect(sourcesOf(third, 'reviewer.quality:v3', 'copyVariants')).toContain('writer.linkedin:v3');
    expect(third.output).toBeDefined();
  });

  it('takes the next capability when one is lost, and keeps the ids of what stays', () => {
    const { before, after } = replan(
      example('linkedin-variants'),
      { kind: 'capability_lost', rationale: 'writer.linkedin is gone' },
      { completed: ['strategist.brief', 'set:planKnobs'], exclude: ['writer.linkedin'] },
    );
    expect(ids(after)).not.toContain('writer.linkedin');
    expect(ids(after)).toContain('writer.blog');
    expect(sourcesOf(after, 'transform:output', 'copyVariants')).toContain('writer.blog');
    expect(after.nodes.find((node) => node.id === 'transform:output')?.draft).toEqual(
      before.nodes.find((node) => node.id === 'transform:output')?.draft,
    );
  });

  it('asks a person when nothing is left that could do it', () => {
    const { after } = replan(
      example('linkedin-variants'),
      { kind: 'retries_exhausted', nodeId: 'writer.linkedin' },
      {
        completed: ['strategist.brief', 'set:planKnobs'],
        failed: [{ nodeId: 'writer.linkedin', message: 'no' }],
        exclude: ['writer.linkedin', 'writer.blog'],
      },
    );
    const person = after.nodes.find((node) => node.kind === 'fallback')!;
    expect(person.facets.output).toEqual(['copyVariants']);
    expect(after.edges.filter((edge) => edge.to === person.id && edge.condition !== undefined)).toEqual([]);
    expect(sourcesOf(after, 'transform:output', 'copyVariants')).toEqual([person.id]);
    expect(sourcesOf(after, 'reviewer.quality', 'copyVariants')).toEqual([person.id]);
  });

  it('spawns a branch for each direction that an upstream node asks for', () => {
    const directions = ['bold', 'calm', 'funny'].map((id) => ({ id, label: `Go ${id}` }));
    const { after } = replan(
      holding(3, { ...example('linkedin-variants'), policies: undefined }),
      { kind: 'branch', nodeId: 'strategist.brief' },
      { completed: ['strategist.brief'], branchRequests: directions },
    );
    for (const { id } of directions) {
      expect(ids(after)).toEqual(
        expect.arrayContaining([`branch:${id}`, `writer.linkedin@${id}`, `reviewer.quality@${id}`]),
      );
      expect(sourcesOf(after, `reviewer.quality@${id}`, 'copyVariants')).toContain(`writer.linkedin@${id}`);
      expect(sourcesOf(after, `writer.linkedin@${id}`, 'writerBrief')).toEqual(['strategist.brief']);
    }
    expect(ids(after)).not.toContain('writer.linkedin');
    expect(sourcesOf(after, 'transform:output', 'copyVariants')).toEqual(
      expect.arrayContaining(directions.map(({ id }) => `writer.linkedin@${id}`)),
    );
    expect(after.metadata.branches.map((branch) => branch.label)).toEqual(['Go bold', 'Go calm', 'Go funny']);
  });

  it.each([
    ['two variants each', { topology: { variantCount: 2 } }, 3, '/policies/planner/topology/variantCount'],
    ['one at least', {}, 1, '/policies/planner/branches'],
  ])('is refused when the branches asked for don’t fit the answer: %s', (_, planner, most, pointer) => {
    const envelope = holding(most, { ...example('linkedin-variants'), policies: { planner } });
    const cause = { kind: 'operator', seq: 9 } as const;
    const branchRequests = ['bold', 'calm'].map((id) => ({ id, label: `Go ${id}` }));
    const before = planFor(envelope).validated!.plan!;
    const available = Object.keys(envelope.inputs ?? {});
    const context = { baseVersion: 1, plan: before, completed: [], running: [], failed: [], available };
    const ask = { envelope, policies: policiesOf(envelope.policies), snapshot: snapshotOf() };
    const limits = { budgetMs: 1000, clock: () => 0 };
    const { delta } = assembleDelta({ ...ask, ...limits, replan: { ...context, branchRequests }, cause });
    const judged = validateDelta(
      { runId: 'run', tenant: 'default', ...ask, available },
      before,
      { completed: new Set(), running: new Set() },
      delta,
      { attempts: 1, cause },
    );
    expect(judged.delta).toBeUndefined();
    expect(judged.diagnostics[0]).toMatchObject({
      code: 'POLICY_CONFLICT',
      severity: 'error',
      nodeId: 'transform:output',
      facet: 'copyVariants',
      pointer,
      suggestion: expect.stringContaining('allow more items'),
    });
  });

  it('plans only the branch that failed again, and still joins both', () => {
    const { after } = replan(
      example('blog-two-branches'),
      { kind: 'retries_exhausted', nodeId: 'writer.blog@culture-story' },
      {
        completed: [
          'strategist.brief',
          'branch:product-spotlight',
          'branch:culture-story',
          'writer.blog@product-spotlight',
        ],
        running: ['reviewer.quality@product-spotlight'],
        failed: [{ nodeId: 'writer.blog@culture-story', message: 'no' }],
        exclude: ['writer.blog'],
      },
    );
    expect(ids(after)).toEqual(expect.arrayContaining(['writer.linkedin@culture-story', 'reviewer.quality@culture-story', 'reviewer.quality@product-spotlight'])); // prettier-ignore
    expect(ids(after).filter((id) => id.includes('product-spotlight') && id.startsWith('writer'))).toEqual(['writer.blog@product-spotlight']); // prettier-ignore
    expect(sourcesOf(after, 'reviewer.quality@culture-story', 'copyVariants')).toContain(
      'writer.linkedin@culture-story',
    );
    expect(sourcesOf(after, 'transform:output', 'copyVariants')).toEqual(
      expect.arrayContaining(['writer.blog@product-spotlight', 'writer.linkedin@culture-story']),
    );
  });

  it('keeps to the branches when all of them are done again', () => {
    const writers = ['writer.blog@product-spotlight', 'writer.blog@culture-story'];
    const { after } = replan(
      example('blog-two-branches'),
      { kind: 'operator', rationale: 'Both are too long' },
      { completed: ['strategist.brief', 'branch:product-spotlight', 'branch:culture-story', ...writers] },
    );
    expect(ids(after)).toEqual(expect.arrayContaining(writers.map((id) => `${id}:v2`)));
    const read = sourcesOf(after, 'transform:output', 'copyVariants');
    for (const id of writers) {
      expect(read).toContain(`${id}:v2`);
      expect(read).not.toContain(id);
    }
    expect(sourcesOf(after, 'reviewer.quality@culture-story', 'copyVariants')).toContain(
      'writer.blog@culture-story:v2',
    );
  });

  it('calls off running work that was built on what is done again', () => {
    const { after, assembled } = replan(
      example('linkedin-variants'),
      { kind: 'hitl', nodeId: 'writer.linkedin', rationale: 'Too loud' },
      {
        completed: ['strategist.brief', 'set:planKnobs', 'writer.linkedin', 'fallback:copyVariants'],
        running: ['reviewer.quality'],
      },
    );
    expect(assembled.delta.operations).toContainEqual({ op: 'cancelNode', nodeId: 'reviewer.quality' });
    expect(ids(after)).toEqual(expect.arrayContaining(['writer.linkedin:v2', 'reviewer.quality:v2']));
    expect(sourcesOf(after, 'transform:output', 'copyVariants')).not.toContain('writer.linkedin');
  });

  it('passes on what a client says to the run to those who still work', () => {
    const { after } = replan(
      example('linkedin-variants'),
      { kind: 'signal', rationale: 'A message of the client' },
      { values: { message: 'Mention the price' } },
    );
    expect(after.nodes.find((node) => node.id === 'writer.linkedin')?.instruction).toContain('Mention the price');
  });
});
