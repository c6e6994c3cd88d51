import type { Facet, PlannerDraft, TaskEnvelope } from '@flex/contracts';
import {
  capabilities,
  envelope,
  facets,
  linkedinDraft,
  node,
  origin,
  question,
  reviewer,
  shaper,
  strategist,
  writer,
} from './seed-world.spec.js';
import { validateDraft } from './validate-draft.js';

const judge = (draft: PlannerDraft, more: Partial<TaskEnvelope> = {}, world = {}) =>
  validateDraft(question(more, world), draft, origin);
const codes = (draft: PlannerDraft, more: Partial<TaskEnvelope> = {}) =>
  judge(draft, more).diagnostics.map(({ code, severity }) => `${severity} ${code}`);
const planOf = (draft: PlannerDraft, more: Partial<TaskEnvelope> = {}, world = {}) => {
  const { plan, diagnostics } = judge(draft, more, world);
  if (plan === undefined) throw new Error(JSON.stringify(diagnostics, null, 1));
  return plan;
};
const nodes = (...list: PlannerDraft['nodes']): PlannerDraft => ({ nodes: list });
const wanted = (...list: string[]): Partial<TaskEnvelope> => ({ outputContract: { mode: 'facets', facets: list } });
const copy = wanted('copyVariants');

describe('a sound draft', () => {
  it('becomes version 1 of a plan', () => {
    const { plan, diagnostics } = judge(linkedinDraft());
    expect(diagnostics).toEqual([]);
    expect(plan).toMatchObject({
      runId: 'run1',
      version: 1,
      versionTag: 'v1',
      cause: { kind: 'initial' },
      output: {
        mode: 'json_schema',
        mapping: { from: '/output' },
        sources: [{ facet: 'output', source: 'node', nodeId: 'shaper' }],
      },
      metadata: {
        registryRevision: 42,
        depth: 3,
        attempts: 1,
        normalizationInjected: true,
        satisfaction: 1,
        derived: [],
        fallbacks: [],
        branches: [],
        planner: { runtime: 'llm', model: 'test' },
      },
    });
    expect(plan!.edges).toEqual([
      { from: 'strategist', to: 'writer', facets: ['writerBrief', 'planKnobs'] },
      { from: 'writer', to: 'reviewer', facets: ['copyVariants'] },
      { from: 'strategist', to: 'reviewer', facets: ['writerBrief'] },
      { from: 'writer', to: 'shaper', facets: ['copyVariants'] },
    ]);
  });

  it('has nodes with all that a draft may not say itself', () => {
    const policies = {
      runtime: [
        {
          id: 'qa',
          trigger: { kind: 'onNodeComplete' as const, condition: 'facets.qaFindings.overallStatus == "fail"' },
          action: { type: 'replan' as const },
        },
      ],
    };
    const [first, second, third, fourth] = planOf(linkedinDraft(), {
      policies,
      specialInstructions: ['No emoji.'],
    }).nodes;
    expect(first).toMatchObject({
      capabilityKey: 'strategist.brief',
      agentType: 'ai',
      inputSchema: { required: ['objectiveBrief', 'audienceProfile', 'toneOfVoice'] },
      outputSchema: { required: ['writerBrief', 'planKnobs', 'strategicRationale'] },
      instruction: 'You are a strategist.\n\nInput toneOfVoice: Keep this tone throughout.\n\nNo emoji.',
      retry: { maxAttempts: 3, backoffMs: 1000, factor: 2 },
      timeoutMs: 300_000,
      estimate: { tokens: 1000, cost: 0.01, ms: 200 },
      policyHooks: [],
      draft: strategist,
    });
    expect(second!.provenance).toEqual([
      { facet: 'writerBrief', source: 'node', nodeId: 'strategist' },
      { facet: 'planKnobs', source: 'node', nodeId: 'strategist' },
      { facet: 'toneOfVoice', source: 'envelope' },
      { facet: 'audienceProfile', source: 'envelope' },
    ]);
    expect(third!.policyHooks).toEqual(['qa']);
    expect(fourth).toMatchObject({
      kind: 'transformation',
      instruction: '',
      outputSchema: { properties: { output: true }, required: ['output'] },
    });
    expect(fourth).not.toHaveProperty('capabilityKey');
  });

  it('adds the required inputs of a capability, and keeps optional ones only when they are provided', () => {
    const bare = { ...strategist, inputFacets: ['assetBundle'] };
    expect(planOf(nodes(bare), wanted('writerBrief')).nodes[0]!.facets).toEqual({
      input: ['objectiveBrief', 'audienceProfile', 'toneOfVoice'],
      output: strategist.outputFacets,
    });
    const inputs = { ...envelope().inputs, assets: ['logo.png'] };
    expect(planOf(nodes(bare), { ...wanted('writerBrief'), inputs }).nodes[0]!.facets).toEqual({
      input: ['objectiveBrief', 'audienceProfile', 'toneOfVoice', 'assetBundle'],
      optional: ['assetBundle'],
      output: strategist.outputFacets,
      keys: { assetBundle: 'assets' },
    });
  });

  it('gives people the time of their SLA, and a fallback without one a week', () => {
    const human = node('editor', 'execution', ['copyVariants'], ['copyVariants'], { capabilityId: 'editor.human' });
    const fallback = node('help', 'fallback', ['writerBrief'], ['recommendationSet'], {
      fallback: ['writer.cheap', 'sleeper.writer'],
    });
    const plan = planOf(nodes(strategist, writer, human, fallback), copy);
    expect(plan.nodes[2]).toMatchObject({
      agentType: 'human',
      timeoutMs: 3_600_000,
      assignment: { role: 'editor' },
      provenance: [{ nodeId: 'writer' }],
    });
    expect(plan.nodes[3]).toMatchObject({ timeoutMs: 604_800_000, fallback: ['writer.cheap'] });
    expect(plan.metadata.fallbacks).toEqual([
      {
        nodeId: 'help',
        facets: ['recommendationSet'],
        reason: 'No capability provides these facets',
        suggestion: 'writer.cheap, then a person',
      },
    ]);
    expect(plan.output.sources).toEqual([{ facet: 'copyVariants', source: 'node', nodeId: 'editor' }]);
  });

  it('marks derived nodes with their coverage', () => {
    const derived = node('letter', 'execution', ['writerBrief'], ['copyVariants', 'recommendationSet'], {
      derivedFrom: 'writer.cheap',
    });
    const { plan, diagnostics } = judge(nodes(strategist, derived), copy);
    expect(plan!.nodes[1]).toMatchObject({ derivedFrom: 'writer.cheap', coverage: 0.5, capabilityKey: 'writer.cheap' });
    expect(plan!.metadata.derived).toEqual(['letter']);
    expect(diagnostics).toEqual([
      expect.objectContaining({
        severity: 'warning',
        code: 'FACET_UNSUPPORTED_BY_CAPABILITY',
        facet: 'recommendationSet',
      }),
    ]);
  });

  it('weaves branches in: their inputs, their label, their siblings', () => {
    const policies = {
      planner: {
        branches: [
          { id: 'spot', label: 'Product spotlight', rationale: 'new', inputs: { toneOfVoice: 'playful' } },
          { id: 'cult', label: 'Culture story' },
        ],
      },
    };
    const sibling = (base: typeof writer, branchId: string) => ({ ...base, id: `${base.id}@${branchId}`, branchId });
    const plan = planOf(
      nodes(
        strategist,
        sibling(writer, 'spot'),
        sibling(writer, 'cult'),
        sibling(reviewer, 'spot'),
        sibling(reviewer, 'cult'),
        shaper,
      ),
      { policies },
    );
    const byId = new Map(plan.nodes.map((each) => [each.id, each]));
    expect(byId.get('writer@spot')).toMatchObject({
      inputs: { toneOfVoice: 'playful' },
      provenance: expect.arrayContaining([{ facet: 'toneOfVoice', source: 'branch' }]),
      instruction: expect.stringContaining('Branch "Product spotlight": new'),
    });
    expect(byId.get('reviewer@cult')!.provenance[0]).toEqual({
      facet: 'copyVariants',
      source: 'node',
      nodeId: 'writer@cult',
    });
    expect(byId.get('shaper')!.provenance.map(({ nodeId }) => nodeId)).toEqual(['writer@spot', 'writer@cult']);
    expect(plan.metadata.branches).toEqual([
      { id: 'spot', label: 'Product spotlight', rationale: 'new' },
      { id: 'cult', label: 'Culture story' },
    ]);
  });

  it("uses another tenant's key for its capability", () => {
    const own = new Map(
      capabilities.map((each) => [
        each.capabilityId,
        each.capabilityId === 'writer.linkedin' ? { ...each, tenant: 'acme' } : each,
      ]),
    );
    expect(planOf(linkedinDraft(), {}, { capabilities: own }).nodes[1]!.capabilityKey).toBe('~acme.writer.linkedin');
  });

  it('is judged the same whoever made it, and the same each time', () => {
    expect(judge(linkedinDraft())).toEqual(judge(linkedinDraft()));
  });
});

describe('structure', () => {
  it.each<[string, PlannerDraft, object]>([
    [
      'a draft that is none',
      { nodes: [{ id: 'x' }] } as unknown as PlannerDraft,
      { code: 'DRAFT_MALFORMED', pointer: '/nodes/0/kind' },
    ],
    ['a draft without nodes', { nodes: [] }, { code: 'DRAFT_MALFORMED', pointer: '/nodes' }],
    [
      'schemas that a model invents',
      { nodes: [{ ...writer, inputSchema: {} } as typeof writer] },
      { code: 'DRAFT_MALFORMED', pointer: '/nodes/0/inputSchema' },
    ],
    [
      'two nodes of one id',
      nodes(strategist, writer, { ...shaper, id: 'writer' }),
      { code: 'DUPLICATE_NODE', nodeId: 'writer', pointer: '/nodes/2/id' },
    ],
    [
      'an edge into nowhere',
      { ...linkedinDraft(), edges: [{ from: 'writer', to: 'reviwer' }] },
      { code: 'DANGLING_EDGE', nodeId: 'reviwer', pointer: '/edges/0/to', suggestion: 'Did you mean reviewer?' },
    ],
    [
      'a circle',
      {
        ...linkedinDraft(),
        edges: [
          { from: 'strategist', to: 'writer' },
          { from: 'writer', to: 'reviewer' },
          { from: 'reviewer', to: 'strategist' },
        ],
      },
      { code: 'CYCLE', message: 'The nodes wait for each other: strategist -> writer -> reviewer -> strategist' },
    ],
    [
      'an edge to itself',
      { ...linkedinDraft(), edges: [{ from: 'writer', to: 'writer' }] },
      { code: 'CYCLE', nodeId: 'writer' },
    ],
    [
      'a route into nowhere',
      nodes(strategist, writer, shaper, node('r', 'routing', [], [], { routes: [{ to: 'x' }] })),
      { code: 'DANGLING_EDGE', pointer: '/nodes/3/routes/0/to' },
    ],
    [
      'a routing node without routes',
      nodes(strategist, writer, shaper, node('r', 'routing', [], [])),
      { code: 'DRAFT_MALFORMED', nodeId: 'r' },
    ],
    [
      'a condition on an edge that does not compile',
      { ...linkedinDraft(), edges: [{ from: 'writer', to: 'reviewer', condition: 'facets.copyVariants >' }] },
      { code: 'CONDITION_INVALID', pointer: '/edges/0/condition', nodeId: 'reviewer' },
    ],
    [
      'a condition of a route that does not compile',
      nodes(
        strategist,
        writer,
        shaper,
        node('r', 'routing', [], [], { routes: [{ to: 'shaper', condition: { nope: [] } }] }),
      ),
      { code: 'CONDITION_INVALID', pointer: '/nodes/3/routes/0/condition/nope' },
    ],
  ])('refuses %s', (_what, draft, found) => {
    const { plan, diagnostics } = judge(draft);
    expect(plan).toBeUndefined();
    expect(diagnostics).toContainEqual(expect.objectContaining({ severity: 'error', ...found }));
  });
});

describe('capabilities and facets', () => {
  it.each<[string, PlannerDraft['nodes'], object]>([
    [
      'an unregistered capability',
      [strategist, { ...writer, capabilityId: 'wirter.linkedin' }],
      {
        code: 'CAPABILITY_NOT_REGISTERED',
        nodeId: 'writer',
        capabilityId: 'wirter.linkedin',
        pointer: '/nodes/1/capabilityId',
        suggestion: expect.stringContaining('writer.linkedin'),
      },
    ],
    [
      'an unregistered capability of an unlike name',
      [strategist, { ...writer, capabilityId: 'magic' }],
      { code: 'CAPABILITY_NOT_REGISTERED', suggestion: 'Registered are writer.linkedin, writer.cheap, editor.human' },
    ],
    [
      'a capability out of service',
      [strategist, { ...writer, capabilityId: 'sleeper.writer', inputFacets: ['writerBrief'] }],
      { code: 'CAPABILITY_INACTIVE', message: 'The capability sleeper.writer is out of service: heartbeats stopped' },
    ],
    [
      'a node without capability',
      [strategist, { ...writer, capabilityId: undefined }],
      { code: 'CAPABILITY_MISSING', suggestion: expect.stringContaining('writer.linkedin') },
    ],
    [
      'an unknown facet',
      [strategist, { ...writer, inputFacets: ['writterBrief'] }],
      {
        code: 'UNKNOWN_FACET',
        facet: 'writterBrief',
        pointer: '/nodes/1/inputFacets/0',
        suggestion: 'Did you mean writerBrief?',
      },
    ],
    [
      'a facet that the capability does not read',
      [strategist, { ...writer, inputFacets: ['strategicRationale'] }],
      { code: 'FACET_UNSUPPORTED_BY_CAPABILITY', facet: 'strategicRationale', pointer: '/nodes/1/inputFacets/0' },
    ],
    [
      'a facet that the capability does not write',
      [strategist, { ...writer, outputFacets: ['copyVariants', 'qaFindings'] }],
      {
        code: 'FACET_UNSUPPORTED_BY_CAPABILITY',
        facet: 'qaFindings',
        message: 'writer.linkedin does not write qaFindings',
      },
    ],
    [
      'a related facet, naming the right one',
      [strategist, { ...writer, inputFacets: ['campaignBrief'] }],
      {
        code: 'FACET_UNSUPPORTED_BY_CAPABILITY',
        suggestion: 'Write writerBrief instead: the two are related by extends',
      },
    ],
    [
      'a derivation from what writes nothing of it',
      [strategist, writer, { ...reviewer, capabilityId: undefined, derivedFrom: 'writer.cheap', inputFacets: [] }],
      { code: 'FACET_UNSUPPORTED_BY_CAPABILITY', pointer: '/nodes/2/derivedFrom', severity: 'error' },
    ],
    [
      'an input that nothing provides',
      [writer],
      {
        code: 'INPUT_FACET_UNAVAILABLE',
        nodeId: 'writer',
        facet: 'writerBrief',
        suggestion: 'strategist.brief or campaigner.brief would provide it',
      },
    ],
    [
      'a mapping that forgets a facet',
      [strategist, writer, { ...shaper, outputFacets: ['output', 'copyVariants'] }],
      { code: 'MAPPING_INVALID', facet: 'copyVariants' },
    ],
    [
      'a mapping that reads what the node does not',
      [strategist, writer, { ...shaper, inputFacets: ['writerBrief'] }],
      { code: 'MAPPING_INVALID', facet: 'copyVariants', suggestion: 'Add copyVariants to the inputFacets' },
    ],
    [
      'a mapping that makes what the node does not',
      [strategist, writer, { ...shaper, mapping: { ...shaper.mapping, extra: { value: 1 } } }],
      { code: 'MAPPING_INVALID', facet: 'extra' },
    ],
    [
      'a mapping on another kind of node',
      [strategist, { ...writer, mapping: { copyVariants: { value: [] } } }],
      { code: 'MAPPING_INVALID', nodeId: 'writer' },
    ],
  ])('refuses %s', (_what, list, found) => {
    const { plan, diagnostics } = judge(nodes(...list), copy);
    expect(plan).toBeUndefined();
    expect(diagnostics).toContainEqual(expect.objectContaining({ severity: 'error', ...found }));
  });

  it('takes a specialised brief where a brief is needed', () => {
    const campaigner = node('campaign', 'structuring', ['objectiveBrief'], ['campaignBrief'], {
      capabilityId: 'campaigner.brief',
    });
    const cheap = node('cheap', 'execution', ['writerBrief'], ['copyVariants'], { capabilityId: 'writer.cheap' });
    expect(planOf(nodes(campaigner, cheap), copy).nodes[1]!.provenance).toEqual([
      { facet: 'writerBrief', source: 'node', nodeId: 'campaign', as: 'campaignBrief' },
    ]);
  });

  it('reports facets whose contracts contradict each other', () => {
    const clash: Facet[] = [
      { name: 'briefA', direction: 'bidirectional', schema: { type: 'object' }, propertyKey: 'brief' },
      { name: 'briefB', direction: 'bidirectional', schema: { type: 'string' }, propertyKey: 'brief' },
    ];
    const world = {
      facets: new Map([...facets, ...clash].map((each) => [each.name, each])),
      capabilities: new Map(
        [
          ...capabilities,
          { ...capabilities[1]!, capabilityId: 'clash.one', inputFacets: [{ facet: 'briefA' }, { facet: 'briefB' }] },
        ].map((each) => [each.capabilityId, each]),
      ),
    };
    const { diagnostics } = judge(
      nodes(node('c', 'execution', [], ['copyVariants'], { capabilityId: 'clash.one' })),
      { ...copy, inputs: { briefA: {}, briefB: 'x' } },
      world,
    );
    expect(diagnostics).toContainEqual(
      expect.objectContaining({ code: 'FACET_CONTRACT_TYPE_MISMATCH', nodeId: 'c', severity: 'error' }),
    );
  });

  it('only warns of a fallback that is not there', () => {
    expect(codes(nodes(strategist, { ...writer, fallback: ['writer.none'] }), copy)).toEqual([
      'warning CAPABILITY_NOT_REGISTERED',
    ]);
  });
});

describe('the contract', () => {
  it('asks for facets: a node must write them', () => {
    const { diagnostics } = judge(nodes(strategist), wanted('writerBrief', 'qaFindings', 'nothing'));
    expect(diagnostics).toEqual([
      expect.objectContaining({
        code: 'OUTPUT_FACET_UNCOVERED',
        facet: 'qaFindings',
        pointer: '/outputContract/facets/1',
        suggestion: 'reviewer.quality would provide it',
      }),
      expect.objectContaining({ code: 'UNKNOWN_FACET', facet: 'nothing' }),
    ]);
  });

  it('asks for a shape: facets of the property names, else facets of the structure, reshaped', () => {
    expect(planOf(nodes(strategist, writer)).output.mapping).toEqual({
      object: {
        variants: {
          each: { from: '/copyVariants' },
          as: {
            object: {
              headline: { from: '/headline' },
              body: { from: '/body' },
              callToAction: { from: '/callToAction' },
            },
          },
        },
      },
    });
    const schema = {
      type: 'object',
      required: ['qaFindings', 'assets'],
      properties: { qaFindings: { type: 'object' }, assets: { type: 'array' }, extra: { type: 'integer' } },
    };
    const inputs = { ...envelope().inputs, assetBundle: [] };
    expect(
      planOf(nodes(strategist, writer, reviewer), { outputContract: { mode: 'json_schema', schema }, inputs }).output
        .mapping,
    ).toEqual({
      object: { qaFindings: { from: '/qaFindings' }, assets: { from: '/assetBundle' } },
    });
  });

  it('is not satisfied by a plan that gives nothing of the shape', () => {
    const schema = { type: 'object', required: ['price'], properties: { price: { type: 'number' } } };
    expect(judge(nodes(strategist), { outputContract: { mode: 'json_schema', schema } }).diagnostics).toEqual([
      expect.objectContaining({
        code: 'OUTPUT_CONTRACT_UNSATISFIABLE',
        pointer: '/outputContract/schema/properties/price',
        suggestion: expect.stringContaining('that writes output, from strategicRationale'),
      }),
    ]);
  });

  it('may be met by what a mapping derives, by name', () => {
    const schema = { type: 'object', required: ['first'], properties: { first: { type: 'string' } } };
    const first = node('first', 'transformation', ['copyVariants'], ['first'], {
      mapping: { first: { from: '/copyVariants/0/headline' } },
    });
    expect(
      planOf(nodes(strategist, writer, first), { outputContract: { mode: 'json_schema', schema } }).output,
    ).toMatchObject({
      mapping: { object: { first: { from: '/first' } } },
      sources: [{ facet: 'first', nodeId: 'first' }],
    });
  });

  it('may be a list at the top', () => {
    const schema = {
      type: 'array',
      items: { type: 'object', required: ['headline'], properties: { headline: { type: 'string' } } },
    };
    expect(
      planOf(nodes(strategist, writer), { outputContract: { mode: 'json_schema', schema } }).output.mapping,
    ).toEqual({ from: '/copyVariants' });
  });

  it('may be free: what the plan writes and nothing reads', () => {
    const plan = planOf(nodes(strategist, writer), {
      outputContract: { mode: 'freeform', instructions: 'Write something nice' },
    });
    expect(plan.output).toMatchObject({
      mode: 'freeform',
      mapping: {
        object: { strategicRationale: { from: '/strategicRationale' }, copyVariants: { from: '/copyVariants' } },
      },
    });
    expect(plan.nodes[1]!.instruction).toContain('Write something nice');
  });

  it('gives the value under the property key', () => {
    expect(
      planOf(nodes(strategist), {
        ...wanted('writerBrief', 'assetBundle'),
        inputs: { ...envelope().inputs, assets: [] },
      }).output,
    ).toMatchObject({
      mapping: { object: { writerBrief: { from: '/writerBrief' }, assets: { from: '/assetBundle' } } },
      schema: { required: ['writerBrief', 'assets'] },
    });
  });

  it.each([
    ['hard', 'error CONSTRAINT_UNSATISFIED', undefined],
    ['soft', 'warning CONSTRAINT_UNSATISFIED', 0.5],
    ['informational', 'info CONSTRAINT_UNSATISFIED', 1],
  ] as const)('carries %s constraints', (level, found, satisfaction) => {
    const constraints = [
      { constraintId: 'c', level, expr: 'facets.qaFindings.scores.overall > 0.5' },
      { constraintId: 'd', level: 'soft' as const, expr: { '>': [{ length: { var: 'output.variants' } }, 1] } },
    ];
    const { plan, diagnostics } = judge(nodes(strategist, writer, shaper), {
      outputContract: { ...envelope().outputContract, constraints },
    });
    expect(diagnostics.map(({ code, severity }) => `${severity} ${code}`)).toEqual([found]);
    expect(plan?.metadata.satisfaction).toBe(satisfaction);
  });

  it('must be a schema', () => {
    expect(codes(linkedinDraft(), { outputContract: { mode: 'json_schema', schema: { type: 'objekt' } } })).toEqual(
      expect.arrayContaining(['error OUTPUT_SCHEMA_INVALID']),
    );
  });

  it('is not served by work that nobody uses, which is told', () => {
    const idle = node('idle', 'execution', ['writerBrief'], ['copyVariants'], { capabilityId: 'writer.cheap' });
    const { plan, diagnostics } = judge(nodes(strategist, idle), wanted('writerBrief'));
    expect(plan).toBeDefined();
    expect(diagnostics).toEqual([expect.objectContaining({ code: 'NODE_UNUSED', severity: 'info', nodeId: 'idle' })]);
    const policies = { planner: { selection: { require: ['writer.cheap'] } } };
    expect(codes(nodes(strategist, idle), { ...wanted('writerBrief'), policies })).toEqual([]);
  });

  it('needs the facets that goal conditions look at', () => {
    const goalConditions = [{ facet: 'qaFindings', pointer: '/overallStatus', condition: 'value == "pass"' }];
    expect(codes(nodes(strategist, writer, shaper), { goalConditions })).toEqual(['error OUTPUT_FACET_UNCOVERED']);
    expect(codes(linkedinDraft(), { goalConditions })).toEqual([]);
    expect(codes(linkedinDraft(), { goalConditions: [{ facet: 'qaFindings', condition: 'value = 1' }] })).toEqual([
      'error CONDITION_INVALID',
    ]);
  });
});

describe('policies and budgets', () => {
  it.each<[string, TaskEnvelope['policies'], object]>([
    [
      'a required capability',
      { planner: { selection: { require: ['campaigner.brief'] } } },
      { code: 'POLICY_REQUIRED_MISSING', capabilityId: 'campaigner.brief' },
    ],
    [
      'a forbidden capability',
      { planner: { selection: { forbid: ['writer.linkedin'] } } },
      { code: 'POLICY_FORBIDDEN', nodeId: 'writer', pointer: '/nodes/1/capabilityId' },
    ],
    [
      'a required kind',
      { planner: { topology: { requiredKinds: ['fallback'] } } },
      { code: 'KIND_REQUIRED_MISSING', pointer: '/policies/planner/topology/requiredKinds/0' },
    ],
    [
      'a forbidden kind',
      { planner: { topology: { forbiddenKinds: ['validation'] } } },
      { code: 'KIND_FORBIDDEN', nodeId: 'reviewer' },
    ],
    [
      'a forbidden kind under another name',
      { planner: { topology: { forbiddenKinds: ['routing', 'execution'] } } },
      { code: 'KIND_FORBIDDEN', nodeId: 'writer' },
    ],
    ['a depth', { planner: { topology: { maxDepth: 2 } } }, { code: 'DEPTH_EXCEEDED' }],
    [
      'a branch',
      { planner: { branches: [{ id: 'b', label: 'B' }] } },
      { code: 'BRANCH_MISSING', suggestion: 'Add nodes with branchId b' },
    ],
    [
      'a number of nodes',
      { budget: { maxNodes: 3 } },
      { code: 'BUDGET_EXCEEDED', pointer: '/policies/budget/maxNodes' },
    ],
    [
      'tokens',
      { planner: { optimisation: { maxTokens: 3999 } } },
      {
        code: 'BUDGET_EXCEEDED',
        nodeId: 'writer',
        message: "The plan's estimated tokens of 4000 exceed the limit of 3999",
      },
    ],
    ['cost', { budget: { maxCost: 0.069 } }, { code: 'BUDGET_EXCEEDED', pointer: '/policies/budget/maxCost' }],
    [
      'the target of a goto',
      {
        runtime: [
          {
            id: 'g',
            trigger: { kind: 'manual' },
            action: { type: 'hitl', rejectAction: { type: 'goto', next: 'wirter' } },
          },
        ],
      },
      {
        code: 'UNKNOWN_NODE',
        pointer: '/policies/runtime/0/action/rejectAction/next',
        suggestion: 'Did you mean writer?',
      },
    ],
  ])('enforce %s', (_what, policies, found) => {
    const { plan, diagnostics } = judge(linkedinDraft(), { policies });
    expect(plan).toBeUndefined();
    expect(diagnostics).toEqual([expect.objectContaining({ severity: 'error', ...found })]);
  });

  it.each<[string, TaskEnvelope['policies'], string[]]>([
    [
      'limits that hold exactly',
      {
        planner: { topology: { maxDepth: 3 }, optimisation: { maxTokens: 4000, maxCost: 0.07 } },
        budget: { maxNodes: 4 },
      },
      [],
    ],
    ['what is to be avoided', { planner: { selection: { avoid: ['writer.linkedin'] } } }, ['info POLICY_FORBIDDEN']],
    [
      'a ban on what is not registered, with a warning when something near is',
      { planner: { selection: { forbid: ['writer.linkedim', 'quite.other'] } } },
      ['warning POLICY_UNKNOWN'],
    ],
    ['the slowest path', { budget: { maxWallMs: 699 } }, ['warning BUDGET_EXCEEDED']],
    [
      'a goto to a capability',
      { runtime: [{ id: 'g', trigger: { kind: 'manual' }, action: { type: 'goto', next: 'writer.linkedin' } }] },
      [],
    ],
    [
      'a selector on a node that is not there',
      {
        runtime: [
          { id: 'g', trigger: { kind: 'onNodeComplete', selector: { nodeId: 'x' } }, action: { type: 'pause' } },
        ],
      },
      ['warning UNKNOWN_NODE'],
    ],
  ])('let pass %s', (_what, policies, found) => {
    expect(codes(linkedinDraft(), { policies })).toEqual(found);
  });
});

describe('the form of what a mapping makes', () => {
  type Made = NonNullable<typeof shaper.mapping>[string];
  const made = (output: Made) => judge(nodes(strategist, writer, { ...shaper, mapping: { output } })).diagnostics;
  const item = (object: Record<string, Made>): Made => ({
    object: { variants: { each: { from: '/copyVariants' }, as: { object } } },
  });
  const text: Made = { from: '/headline' };

  it.each<[string, Made, string, string]>([
    ['lacks a member', { object: {} }, '/object', 'lacks the required variants'],
    ['is a list', { array: [] }, '', 'is of type array where object is wanted'],
    [
      'lacks a member of an item',
      item({ headline: text, body: text }),
      '/object/variants/as/object',
      'lacks the required callToAction',
    ],
    [
      'has too much in an item',
      item({ headline: text, body: text, callToAction: text, id: text }),
      '/object/variants/as/object/id',
      'which is not allowed',
    ],
    [
      'has a wrong literal',
      item({ headline: text, body: { value: 7 }, callToAction: text }),
      '/object/variants/as/object/body/value',
      'is of type number where string is wanted',
    ],
    [
      'has too few items',
      { object: { variants: { array: [{ from: '/copyVariants/0' }] } } },
      '/object/variants',
      'fewer than 2 items',
    ],
    [
      'cannot fit whatever comes first',
      { first: [{ value: 1 }, { array: [] }] },
      '/first/0/value',
      'is of type number',
    ],
  ])('is held against the contract: it %s', (_what, mapping, pointer, message) => {
    expect(made(mapping)).toEqual([
      expect.objectContaining({
        code: 'OUTPUT_CONTRACT_UNSATISFIABLE',
        nodeId: 'shaper',
        pointer: `/nodes/2/mapping/output${pointer}`,
        message: expect.stringContaining(message),
      }),
    ]);
  });

  it('may be anything that is only known at run time', () => {
    expect(made({ from: '/copyVariants' })).toEqual([]);
    expect(made({ first: [{ value: 1 }, { from: '/copyVariants' }] })).toEqual([]);
  });

  it('is held against a facet that it writes', () => {
    const knobs = node('knobs', 'transformation', [], ['planKnobs'], {
      mapping: { planKnobs: { object: { variantCount: { value: 'two' } } } },
    });
    expect(judge(nodes(strategist, knobs, writer, shaper)).diagnostics).toEqual([
      expect.objectContaining({ code: 'MAPPING_INVALID', nodeId: 'knobs', facet: 'planKnobs' }),
    ]);
  });
});

describe('what a draft says of itself is not believed', () => {
  it('a writer that calls itself a reviewer is still a writer', () => {
    const disguised = { ...writer, kind: 'validation' as const };
    const draft = nodes(strategist, disguised, shaper);
    expect(codes(draft, { policies: { planner: { topology: { requiredKinds: ['validation'] } } } })).toEqual([
      'error KIND_REQUIRED_MISSING',
    ]);
    expect(codes(draft, { policies: { planner: { topology: { forbiddenKinds: ['execution'] } } } })).toEqual([
      'error KIND_FORBIDDEN',
    ]);
  });

  it('literal inputs must be what their facets say', () => {
    const loud = { ...writer, inputs: { toneOfVoice: 'shouting', note: 'free' } };
    expect(judge(nodes(strategist, loud, shaper)).diagnostics).toEqual([
      expect.objectContaining({
        code: 'INPUT_INVALID',
        nodeId: 'writer',
        facet: 'toneOfVoice',
        pointer: '/nodes/1/inputs/toneOfVoice',
      }),
    ]);
    const branches = [{ id: 'b', label: 'B', inputs: { toneOfVoice: 'loud' } }];
    expect(
      codes(nodes(strategist, { ...writer, branchId: 'b' }, shaper), { policies: { planner: { branches } } }),
    ).toEqual(['error INPUT_INVALID']);
  });

  it('every node is scored by our measure, whoever chose its capability', () => {
    const [first, second, , last] = planOf(linkedinDraft()).nodes;
    expect(second!.selection).toMatchObject({
      threshold: 0.64,
      runnersUp: [{ capabilityId: 'editor.human' }, { capabilityId: 'writer.cheap' }],
    });
    expect(second!.selection!.score).toBeGreaterThan(0);
    expect(first!.selection!.runnersUp).toEqual([]);
    expect(last).not.toHaveProperty('selection');
    const given = { ...second!.selection!, score: 0.123 };
    const { plan } = validateDraft(question(), linkedinDraft(), { ...origin, selections: { writer: given } });
    expect(plan!.nodes[1]!.selection).toBe(given);
  });

  it('branches that a draft asks for itself are woven in like those of the policies', () => {
    const draft = {
      ...nodes(strategist, { ...writer, branchId: 'x' }, shaper),
      branchRequests: [{ id: 'x', label: 'Extra', inputs: { toneOfVoice: 'formal' } }],
    };
    const plan = planOf(draft);
    expect(plan.nodes[1]).toMatchObject({
      inputs: { toneOfVoice: 'formal' },
      instruction: expect.stringContaining('Branch "Extra"'),
    });
    expect(plan.metadata.branches).toEqual([{ id: 'x', label: 'Extra' }]);
  });
});

describe('findings', () => {
  it('come in a stable order, errors first, each once', () => {
    const draft = nodes(
      { ...writer, inputFacets: ['nope', 'nope'], fallback: ['none'] },
      { ...reviewer, capabilityId: 'none' },
    );
    const { diagnostics } = judge(draft);
    expect(judge(draft).diagnostics).toEqual(diagnostics);
    const ranks = diagnostics.map(({ severity }) => ['error', 'warning', 'info'].indexOf(severity));
    expect(ranks).toEqual(ranks.toSorted());
    expect(new Set(diagnostics.map((found) => JSON.stringify(found))).size).toBe(diagnostics.length);
    expect(diagnostics.filter(({ code }) => code === 'UNKNOWN_FACET')).toHaveLength(2);
  });

  it('are limited, and say so', () => {
    const many = Array.from({ length: 500 }, (_, index) => ({ ...writer, id: `w${index}`, capabilityId: 'none' }));
    const { diagnostics } = judge({ nodes: many });
    expect(diagnostics).toHaveLength(101);
    expect(diagnostics.at(-1)).toMatchObject({ code: 'LIMIT_EXCEEDED', severity: 'info' });
  });
});
