import {
  noPolicies,
  type Branch,
  type Capability,
  type Facet,
  type NormalizedPolicies,
  type Policies,
  type TaskEnvelope,
} from '@flex/contracts';
import type { Assembly } from './assemble.js';
import { example, outline, planFor, seedCapabilities, seedFacets, snapshotOf } from './seed-catalogue.spec.js';

const capability = (
  capabilityId: string,
  needs: readonly string[],
  gives: readonly string[],
  more: Partial<Capability> = {},
): Capability => ({
  capabilityId,
  version: '1.0.0',
  displayName: capabilityId,
  kind: 'execution',
  agentType: 'ai',
  inputFacets: needs.map((facet) => ({ facet: facet.replace('?', ''), required: !facet.endsWith('?') })),
  outputFacets: [...gives],
  ...more,
});
const facets = (...names: (string | [string, string])[]): Facet[] =>
  names.map((name) =>
    typeof name === 'string'
      ? { name, schema: { type: 'string' }, direction: 'bidirectional' }
      : { name: name[0], extends: name[1], schema: {}, direction: 'bidirectional' },
  );
const envelope = (
  inputs: readonly string[],
  wanted: readonly string[],
  planner: Policies['planner'] = {},
): TaskEnvelope => ({
  objective: 'Do it',
  inputs: Object.fromEntries(inputs.map((name) => [name, 'given'])),
  outputContract: { mode: 'facets', facets: [...wanted] },
  policies: { planner },
});
const used = ({ draft }: Assembly): string[] =>
  (draft?.nodes ?? []).flatMap((node) => node.capabilityId ?? []).toSorted();
const codesOf = ({ diagnostics }: Assembly): string[] => diagnostics.map((found) => found.code);
const errorsOf = (plan: ReturnType<typeof planFor>) =>
  (plan.validated?.diagnostics ?? []).filter((found) => found.severity === 'error').map((found) => found.code);

describe('Plans for the example envelopes', () => {
  it.each(['linkedin-variants', 'blog-two-branches', 'rejection-letter', 'qa-replan', 'human-approval'])(
    '%s: the graph as reviewed, and valid',
    (name) => {
      const plan = planFor(example(name));
      expect(outline(plan)).toMatchSnapshot();
      expect(errorsOf(plan)).toEqual([]);
      expect(plan.proven).toBe(true);
      const { nodes } = plan.validated!.plan!;
      for (const node of nodes) {
        expect(node.rationale.length).toBeGreaterThan(0);
        for (const facet of node.facets.input) expect(node.provenance.map((source) => source.facet)).toContain(facet);
        if (node.capabilityId !== undefined) expect(node.selection?.score).toBeGreaterThan(0);
      }
    },
  );

  it('rejection letter: the weak match is flagged, with its coverage, and a person stands behind it', () => {
    const { validated, diagnostics } = planFor(example('rejection-letter'));
    const weak = validated!.plan!.nodes.find((node) => node.derivedFrom !== undefined)!;
    expect(weak).toMatchObject({ kind: 'execution', derivedFrom: 'writer.linkedin', coverage: 1 });
    expect(weak.selection!.score).toBeLessThan(weak.selection!.threshold);
    expect(validated!.plan!.metadata.derived).toEqual([weak.id]);
    expect(validated!.plan!.metadata.fallbacks).toMatchObject([{ facets: ['copyVariants'], reason: expect.stringContaining('threshold') }]); // prettier-ignore
    expect(diagnostics).toMatchObject([
      { code: 'BELOW_THRESHOLD', capabilityId: 'writer.linkedin', facet: 'copyVariants' },
    ]);
  });

  it('a person confirms the weak match before it counts; where a policy asks a person anyway, the fallback only stands by', () => {
    const letter = example('rejection-letter');
    const { draft, validated } = planFor(letter);
    const person = draft!.nodes.find((node) => node.kind === 'fallback')!;
    const confirming = { from: 'writer.linkedin', to: person.id, facets: ['copyVariants'], condition: true };
    expect(draft!.edges).toContainEqual(confirming);
    expect(validated!.plan!.output.sources).toMatchObject([
      { nodeId: 'writer.linkedin' },
      { nodeId: person.id, over: ['writer.linkedin'] },
    ]);
    const runtime: Policies['runtime'] = [
      { id: 'read-it', trigger: { kind: 'onNodeComplete', selector: { kind: 'execution' } }, action: { type: 'hitl' } },
    ];
    const asked = planFor({ ...letter, policies: { ...letter.policies, runtime } });
    expect(asked.draft!.edges).not.toContainEqual(confirming);
    expect(asked.draft!.nodes.find((node) => node.kind === 'fallback')?.outputFacets).toEqual(['copyVariants']);
  });

  it('plain planning leaves out checks, branches and fallbacks, and the answer still has its form', () => {
    const plan = planFor(example('linkedin-variants'), snapshotOf(), { plain: true });
    expect(plan.draft!.nodes.map((node) => node.id)).toEqual([
      'strategist.brief',
      'writer.linkedin',
      'transform:output',
    ]);
  });
});

describe('A plan', () => {
  it('has no node without need, and runs side by side what does not depend on each other', () => {
    const registry = snapshotOf(
      [
        capability('a.left', ['start'], ['left']),
        capability('a.right', ['start'], ['right']),
        capability('a.join', ['left', 'right'], ['end']),
        capability('a.useless', ['start'], ['other']),
        capability('a.detour', ['left'], ['left2']),
      ],
      facets('start', 'left', 'right', 'end', 'other', 'left2'),
    );
    const plan = planFor(envelope(['start'], ['end']), registry);
    expect(used(plan)).toEqual(['a.join', 'a.left', 'a.right']);
    expect(plan.draft!.edges!.map((edge) => `${edge.from}>${edge.to}`)).not.toContain('a.left>a.right');
    expect(plan).toMatchObject({ depth: 2, proven: true });
  });

  it('takes the producer of a specialised facet for the general one, and says which it reads', () => {
    const registry = snapshotOf(
      [capability('make.child', ['start'], ['child']), capability('use.parent', ['parent'], ['end'])],
      facets('start', 'parent', ['child', 'parent'], 'end'),
    );
    const { validated } = planFor(envelope(['start'], ['end']), registry);
    expect(validated!.plan!.nodes.find((node) => node.id === 'use.parent')!.provenance).toEqual([
      { facet: 'parent', source: 'node', nodeId: 'make.child', as: 'child' },
    ]);
  });

  it('never counts a wanted facet as there, and tells of a capability that needs its own output', () => {
    const registry = snapshotOf([capability('a.loop', ['wish', 'start'], ['wish'])], facets('start', 'wish'));
    const plan = planFor(envelope(['start'], ['wish']), registry);
    expect(used(plan)).toEqual([]);
    expect(plan.missing).toEqual(['wish']);
    expect(codesOf(plan)).toContain('CAPABILITY_SELF_DEPENDENT');
    expect(plan.draft!.nodes).toMatchObject([{ kind: 'fallback', outputFacets: ['wish'] }]);
  });

  it('tells of a capability that needs in general what it writes in particular', () => {
    const registry = snapshotOf(
      [capability('a.loop', ['text', 'start'], ['letter'])],
      facets('start', 'text', ['letter', 'text']),
    );
    const plan = planFor(envelope(['start'], ['letter']), registry);
    expect(plan.diagnostics.find(({ code }) => code === 'CAPABILITY_SELF_DEPENDENT')).toMatchObject({
      capabilityId: 'a.loop',
      facet: 'text',
      nodeId: 'fallback:letter',
      suggestion: expect.stringContaining('text'),
    });
  });

  it('asks a person for the one thing that is lacking, and plans the rest', () => {
    const registry = snapshotOf(
      [capability('a.make', ['start', 'secret'], ['mid']), capability('a.end', ['mid'], ['end'])],
      facets('start', 'secret', 'mid', 'end'),
    );
    const plan = planFor(envelope(['start'], ['end']), registry);
    expect(used(plan)).toEqual(['a.end', 'a.make']);
    expect(plan.draft!.nodes.find((node) => node.id === 'fallback:secret')).toMatchObject({ outputFacets: ['secret'] });
    expect(plan.diagnostics[0]).toMatchObject({
      code: 'OUTPUT_FACET_UNCOVERED',
      facet: 'secret',
      nodeId: 'fallback:secret',
    });
    expect(errorsOf(plan)).toEqual([]);
  });

  it('says who would provide what is missing', () => {
    const registry = snapshotOf(
      [
        capability('a.off', ['start'], ['end'], { status: 'inactive' } as never),
        capability('a.barred', ['start'], ['end']),
      ],
      facets('start', 'end'),
    );
    const plan = planFor(envelope(['start'], ['end'], { selection: { forbid: ['a.barred'] } }), registry);
    expect(plan.diagnostics[0]!.suggestion).toMatch(/a\.off .*out of service.*a\.barred .*forbids/);
  });

  it('lets a capability that comes near begin, and a person finish', () => {
    const registry = snapshotOf(
      [capability('write.letter', ['start'], ['letter'])],
      facets('start', 'letter', ['rejectionLetter', 'letter']),
    );
    const plan = planFor(envelope(['start'], ['rejectionLetter']), registry);
    const [near, person] = plan.draft!.nodes;
    expect(near).toMatchObject({ derivedFrom: 'write.letter', coverage: 0.5, outputFacets: ['letter'] });
    expect(person).toMatchObject({ kind: 'fallback', outputFacets: ['rejectionLetter'] });
    expect(person!.inputFacets).toContain('letter');
    expect(errorsOf(plan)).toEqual([]);
    expect(plan.validated!.plan!.metadata.derived).toEqual(['write.letter']);
  });

  it('of an empty registry is a person for each facet, or nothing with the reason, never a crash', () => {
    const nobody = snapshotOf([], facets('start', 'end'));
    expect(planFor(envelope(['start'], ['end']), nobody).draft!.nodes).toMatchObject([{ kind: 'fallback' }]);
    const bare = snapshotOf([], []);
    const freeform = planFor({ objective: 'x', outputContract: { mode: 'freeform', instructions: 'y' } }, bare);
    expect(freeform.draft).toBeUndefined();
    expect(freeform.diagnostics).toMatchObject([{ code: 'OUTPUT_CONTRACT_UNSATISFIABLE', severity: 'error' }]);
    const unknown = planFor(envelope([], ['end']), bare);
    expect(unknown.draft).toBeUndefined();
    expect(codesOf(unknown)).toEqual(['UNKNOWN_FACET']);
    const shaped = planFor({ objective: 'x', outputContract: { mode: 'json_schema', schema: { type: 'object', properties: { a: { type: 'string' } }, required: ['a'] } } }, bare); // prettier-ignore
    expect(codesOf(shaped)).toEqual(['OUTPUT_CONTRACT_UNSATISFIABLE']);
  });

  it('stands cyclic extends in a snapshot', () => {
    const cyclic: Facet[] = facets('start', ['x', 'y'], ['y', 'x']);
    const plan = planFor(envelope(['start'], ['y']), snapshotOf([capability('a.x', ['start'], ['x'])], cyclic));
    expect(plan.draft!.nodes.length).toBeGreaterThan(0);
  });

  it('passes on what is given already', () => {
    const plan = planFor(envelope(['start'], ['start']), snapshotOf([], facets('start')));
    expect(plan.draft!.nodes).toMatchObject([{ kind: 'transformation', outputFacets: ['start'] }]);
    expect(errorsOf(plan)).toEqual([]);
  });

  it('fills a facet tagged objective from the objective', () => {
    const brief: Facet = { name: 'brief', tags: ['objective'], direction: 'input', schema: { type: 'object', properties: { objective: { type: 'string' } }, required: ['objective'], additionalProperties: false } }; // prettier-ignore
    const registry = snapshotOf([capability('a.go', ['brief'], ['end'])], [brief, ...facets('end')]);
    const plan = planFor(envelope([], ['end']), registry);
    expect(plan.draft!.nodes[0]).toMatchObject({ capabilityId: 'a.go', inputs: { brief: { objective: 'Do it' } } });
    expect(errorsOf(plan)).toEqual([]);
  });

  it('is the same, id by id, whatever else is registered before it', () => {
    const before = [capability('0.noise', ['toneOfVoice'], ['recommendationSet']), ...seedCapabilities];
    const ids = (plan: Assembly) => plan.draft!.nodes.map((node) => node.id);
    expect(ids(planFor(example('blog-two-branches'), snapshotOf(before)))).toEqual(
      ids(planFor(example('blog-two-branches'))),
    );
  });
});

describe('Policies of the planner', () => {
  const registry = snapshotOf(
    [
      capability('write.fast', ['start'], ['end'], {
        cost: { estimatedMs: 100, estimatedTokens: 5000, tier: 'standard' },
      }),
      capability('write.good', ['start'], ['end'], {
        cost: { estimatedMs: 9000, estimatedTokens: 6000, tier: 'premium' },
        traits: { strengths: ['clarity', 'depth', 'style', 'care'] },
      }),
      capability('write.frugal', ['half'], ['end'], { cost: { estimatedMs: 3000, estimatedTokens: 50, tier: 'low' } }),
      capability('halve.it', ['start'], ['half'], {
        kind: 'structuring',
        cost: { estimatedMs: 3000, estimatedTokens: 50, tier: 'low' },
      }),
      capability('check.it', ['end'], ['verdict'], { kind: 'validation' }),
    ],
    facets('start', 'half', 'end', 'verdict'),
  );
  const writers = (planner: Policies['planner'], wanted = ['end']) =>
    used(planFor(envelope(['start'], wanted, planner), registry)).filter((id) => id !== 'check.it');

  it.each([
    ['speed', ['write.fast']],
    ['quality', ['write.good']],
    ['token_efficiency', ['halve.it', 'write.frugal']],
  ] as const)('objective %s chooses %j', (objective, chosen) => {
    expect(writers({ optimisation: { objective } })).toEqual(chosen);
  });

  it('objective diversity gives each branch a capability of its own', () => {
    const branches = ['one', 'two'].map((id) => ({ id, label: id }));
    const plan = planFor(
      envelope(['start'], ['end'], { branches, optimisation: { objective: 'diversity' } }),
      registry,
    );
    const chosen = plan.draft!.nodes.filter((node) => node.kind === 'execution').map((node) => node.capabilityId);
    expect(new Set(chosen).size).toBe(2);
    expect(errorsOf(plan)).toEqual([]);
  });

  it('require, forbid, prefer and avoid are kept', () => {
    expect(writers({ selection: { require: ['write.frugal'] } })).toContain('write.frugal');
    expect(writers({ selection: { forbid: ['write.fast'] } })).toEqual(['write.good']);
    expect(writers({ selection: { prefer: ['write.good'] } })).toEqual(['write.good']);
    expect(writers({ selection: { avoid: ['write.fast'] } })).toEqual(['write.good']);
  });

  it('a check is added where it can be, and left out where its kind is forbidden', () => {
    expect(used(planFor(envelope(['start'], ['end']), registry))).toContain('check.it');
    const without = planFor(
      envelope(['start'], ['end'], { topology: { forbiddenKinds: ['validation', 'fallback'] } }),
      registry,
    );
    expect(without.draft!.nodes.map((node) => node.kind)).toEqual(['execution']);
  });

  it('required kinds become part of the plan', () => {
    const kinds = ['structuring', 'validation', 'transformation', 'fallback'] as const;
    const plan = planFor(envelope(['start'], ['end'], { topology: { requiredKinds: [...kinds] } }), registry);
    for (const kind of kinds) expect(plan.draft!.nodes.map((node) => node.kind)).toContain(kind);
    expect(errorsOf(plan)).toEqual([]);
    const none = planFor(envelope(['start'], ['end'], { topology: { requiredKinds: ['routing'] } }), registry);
    expect(codesOf(none)).toContain('KIND_REQUIRED_MISSING');
  });

  it('a depth that no plan keeps is an error with what would do; guards give way first', () => {
    expect(codesOf(planFor(envelope(['start'], ['end'], { topology: { maxDepth: 2 } }), registry))).toEqual([]);
    const chain = snapshotOf(
      [capability('a', ['start'], ['half']), capability('b', ['half'], ['end'])],
      facets('start', 'half', 'end'),
    );
    const plan = planFor(envelope(['start'], ['end'], { topology: { maxDepth: 1 } }), chain);
    expect(plan.diagnostics).toMatchObject([
      { code: 'DEPTH_EXCEEDED', suggestion: expect.stringContaining('depth of 2') },
    ]);
  });

  it('a budget that the plan would cross is kept by cheaper capabilities, else an error', () => {
    expect(writers({ optimisation: { maxTokens: 200 } })).toEqual(['halve.it', 'write.frugal']);
    const plan = planFor(envelope(['start'], ['end'], { optimisation: { maxTokens: 20 } }), registry);
    expect(codesOf(plan)).toContain('BUDGET_EXCEEDED');
  });

  it.each<[string, Policies['planner'], string]>([
    ['required and forbidden', { selection: { require: ['write.fast'], forbid: ['write.fast'] } }, 'POLICY_CONFLICT'],
    [
      'a kind required and forbidden',
      { topology: { requiredKinds: ['fallback'], forbiddenKinds: ['fallback'] } },
      'POLICY_CONFLICT',
    ],
    [
      'required of a forbidden kind',
      { selection: { require: ['write.fast'] }, topology: { forbiddenKinds: ['execution'] } },
      'POLICY_CONFLICT',
    ],
    ['required and unknown', { selection: { require: ['write.fest'] } }, 'POLICY_REQUIRED_MISSING'],
  ])('%s is a finding with a pointer and a suggestion', (_what, planner, code) => {
    const none = noPolicies();
    // Straight to the assembler: the policy service refuses some of these before.
    const policies: NormalizedPolicies = {
      ...none,
      planner: {
        ...none.planner,
        topology: planner!.topology ?? {},
        selection: { ...none.planner.selection, ...planner!.selection },
      },
    };
    const plan = planFor(envelope(['start'], ['end']), registry, { policies });
    const found = plan.diagnostics.find((one) => one.code === code);
    expect(found).toMatchObject({
      severity: 'error',
      pointer: expect.stringContaining('/policies/planner/'),
      suggestion: expect.any(String),
    });
  });

  it('more variants than the output holds is a finding before anything runs', () => {
    const { policies: _policies, ...task } = example('linkedin-variants');
    const plan = planFor({ ...task, policies: { planner: { topology: { variantCount: 3 } } } });
    expect(plan.diagnostics[0]).toMatchObject({
      code: 'POLICY_CONFLICT',
      severity: 'error',
      pointer: '/policies/planner/topology/variantCount',
    });
  });

  it('branches that together write more than a wanted facet holds are refused', () => {
    const branches: Branch[] = ['a', 'b', 'c'].map((id) => ({ id, label: id }));
    const wanted = (variantCount: number) =>
      planFor({
        ...example('linkedin-variants'),
        outputContract: { mode: 'facets', facets: ['copyVariants'] },
        policies: { planner: { topology: { variantCount }, branches } },
      });
    expect(errorsOf(wanted(4))).toEqual([]);
    const refused = wanted(5);
    expect(errorsOf(refused)).toEqual(['POLICY_CONFLICT']);
    expect(refused.validated!.diagnostics[0]).toMatchObject({ nodeId: 'join:copyVariants', facet: 'copyVariants' });
  });

  it('branches get the inputs that are theirs', () => {
    const branches: Branch[] = [
      { id: 'warm', label: 'Warm', inputs: { toneOfVoice: 'empathetic' } },
      { id: 'dry', label: 'Dry', inputs: { toneOfVoice: 'professional', sender: 'The CFO' } },
    ];
    const plan = planFor({ ...example('linkedin-variants'), policies: { planner: { branches } } });
    expect(errorsOf(plan)).toEqual([]);
    const writer = plan.validated!.plan!.nodes.find((node) => node.id === 'writer.linkedin@dry')!;
    expect(writer.inputs).toMatchObject({ toneOfVoice: 'professional' });
    expect(writer.instruction).toContain('The CFO');
    expect(plan.draft!.nodes.find((node) => node.id === 'branch:warm')).toMatchObject({
      kind: 'branch',
      outputFacets: ['toneOfVoice'],
    });
    expect(plan.draft!.nodes.filter((node) => node.capabilityId === 'strategist.brief')).toHaveLength(1);
  });

  it('what a runtime policy reads is made when it can be', () => {
    const task: TaskEnvelope = {
      ...envelope(['start'], ['end'], { topology: { forbiddenKinds: [] } }),
      policies: {
        runtime: [
          {
            id: 'gate',
            trigger: { kind: 'onNodeComplete', condition: 'facets.half == "x"' },
            action: { type: 'pause' },
          },
        ],
      },
    };
    expect(used(planFor(task, registry))).toContain('halve.it');
  });
});

it('the catalogue of the examples is sound', () => {
  const names = new Set(seedFacets.map((facet) => facet.name));
  for (const one of seedCapabilities)
    for (const facet of [...one.inputFacets.map((input) => input.facet), ...one.outputFacets])
      expect(names).toContain(facet);
});
