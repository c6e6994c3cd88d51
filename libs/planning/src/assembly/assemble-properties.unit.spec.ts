import {
  noPolicies,
  type Facet,
  type NodeKind,
  type NormalizedPolicies,
  type PlanCause,
  type RegisteredCapability,
  type TaskEnvelope,
} from '@flex/contracts';
import * as fc from 'fast-check';
import { validateDraft } from '../validation/validate-draft.js';
import { mergeDelta } from '../delta/merge-delta.js';
import { validateDelta } from '../validation/validate-delta.js';
import { assembleDelta, type ReplanContext } from './assemble-delta.js';
import { assemble } from './assemble.js';
import { snapshotOf } from './seed-catalogue.spec.js';

const facetNames = Array.from({ length: 10 }, (_, at) => `f${at}`);
const facets = fc
  .tuple(...facetNames.map((_, at) => fc.option(fc.nat(Math.max(0, at - 1)), { freq: 3 })))
  .map((parents) =>
    facetNames.map((name, at): Facet => {
      const parent = parents[at];
      return {
        name,
        schema: {},
        direction: 'bidirectional',
        ...(at > 0 && parent != null ? { extends: `f${parent}` } : {}),
      };
    }),
  );
const someFacets = (minLength: number, maxLength: number) =>
  fc.uniqueArray(fc.constantFrom(...facetNames), { minLength, maxLength });
const capabilities = fc
  .array(
    fc.record({
      needs: someFacets(0, 3),
      optional: someFacets(0, 2),
      gives: someFacets(1, 3),
      kind: fc.constantFrom<RegisteredCapability['kind']>(
        'structuring',
        'execution',
        'execution',
        'validation',
        'transformation',
      ),
      channel: fc.option(fc.constantFrom('blog', 'mail')),
      human: fc.boolean(),
      tokens: fc.option(fc.integer({ min: 1, max: 1000 })),
    }),
    { maxLength: 9 },
  )
  .map((list) =>
    list.map(({ needs, optional, gives, kind, channel, human, tokens }, at): RegisteredCapability => ({
      capabilityId: `c.${at}`,
      version: '1',
      displayName: `C${at}`,
      kind,
      agentType: human && at % 4 === 0 ? 'human' : 'ai',
      inputFacets: [
        ...needs.map((facet) => ({ facet })),
        ...optional.filter((facet) => !needs.includes(facet)).map((facet) => ({ facet, required: false })),
      ],
      outputFacets: gives,
      status: at % 7 === 6 ? 'inactive' : 'active',
      ...(channel === null ? {} : { traits: { channels: [channel], contentTypes: [channel] } }),
      ...(tokens === null ? {} : { cost: { estimatedTokens: tokens } }),
    })),
  );
const ids = fc.uniqueArray(fc.constantFrom('c.0', 'c.1', 'c.2', 'c.3'), { maxLength: 1 });
const kinds = fc.uniqueArray(
  fc.constantFrom<NodeKind>('validation', 'fallback', 'transformation', 'branch', 'structuring'),
  { maxLength: 1 },
);
const policies = fc
  .record({
    require: ids,
    forbid: ids,
    prefer: ids,
    avoid: ids,
    forbiddenKinds: kinds,
    requiredKinds: kinds,
    maxDepth: fc.option(fc.integer({ min: 1, max: 6 }), { freq: 2 }),
    maxTokens: fc.option(fc.integer({ min: 1, max: 2000 }), { freq: 2 }),
    objective: fc.option(
      fc.constantFrom('speed' as const, 'quality' as const, 'diversity' as const, 'token_efficiency' as const),
    ),
    branches: fc.uniqueArray(fc.record({ id: fc.constantFrom('x', 'y'), label: fc.constant('Branch'), inputs: fc.constantFrom<Record<string, number>>({}, { f3: 1 }, { free: 2 }) }), { maxLength: 2, selector: (one) => one.id }), // prettier-ignore
  })
  .map(
    ({
      require,
      forbid,
      prefer,
      avoid,
      forbiddenKinds,
      requiredKinds,
      maxDepth,
      maxTokens,
      objective,
      branches,
    }): NormalizedPolicies => ({
      ...noPolicies(),
      planner: {
        topology: { forbiddenKinds, requiredKinds, ...(maxDepth === null ? {} : { maxDepth }) },
        selection: { require, forbid, prefer, avoid },
        optimisation: { ...(objective === null ? {} : { objective }), ...(maxTokens === null ? {} : { maxTokens }) },
        branches,
        directives: [],
      },
    }),
  );
const envelopes = fc
  .record({ given: someFacets(0, 3), wanted: someFacets(1, 3), channel: fc.option(fc.constantFrom('blog', 'mail')) })
  .map(({ given, wanted, channel }): TaskEnvelope => ({
    objective: 'Do it',
    inputs: Object.fromEntries(given.map((facet) => [facet, 1])),
    outputContract: { mode: 'facets', facets: wanted },
    ...(channel === null ? {} : { constraints: { channel, contentType: channel } }),
  }));

/** Found by longer hunts with other seeds: each was refused by validation once. */
const catalogueOf = (parents: Record<string, string> = {}): Facet[] =>
  facetNames.map((name) => ({
    name,
    schema: {},
    direction: 'bidirectional',
    ...(parents[name] === undefined ? {} : { extends: parents[name] }),
  }));
const agentOf = (
  at: number,
  kind: RegisteredCapability['kind'],
  needs: string[],
  gives: string[],
  more: Partial<RegisteredCapability> = {},
): RegisteredCapability => ({
  capabilityId: `c.${at}`,
  version: '1',
  displayName: `C${at}`,
  kind,
  agentType: 'ai',
  inputFacets: needs.map((facet) => ({ facet })),
  outputFacets: gives,
  status: 'active',
  ...more,
});
const wanting = (facetsWanted: string[], channel?: string): TaskEnvelope => ({
  objective: 'Do it',
  inputs: {},
  outputContract: { mode: 'facets', facets: facetsWanted },
  ...(channel === undefined ? {} : { constraints: { channel, contentType: channel } }),
});
const forBlogs = { traits: { channels: ['blog'], contentTypes: ['blog'] } };
const requiring = (capabilityId: string): NormalizedPolicies => {
  const { planner, ...rest } = noPolicies();
  return { ...rest, planner: { ...planner, selection: { ...planner.selection, require: [capabilityId] } } };
};
const madeAndRefinedWeakly: [Facet[], RegisteredCapability[], TaskEnvelope, NormalizedPolicies] = [
  catalogueOf(),
  [agentOf(0, 'structuring', [], ['f4'], forBlogs), agentOf(1, 'structuring', ['f4'], ['f4'])],
  wanting(['f4'], 'mail'),
  requiring('c.1'),
];
const progressOf = (done: number, busy: number, cause: PlanCause['kind']) => ({
  done,
  busy,
  lost: 0,
  cause,
  blamed: 0,
});
type DeltaExample = [Facet[], RegisteredCapability[], TaskEnvelope, ReturnType<typeof progressOf>, boolean];
const runningInABranchCalledOff: DeltaExample = [
  catalogueOf({ f5: 'f1', f9: 'f0' }),
  [
    agentOf(0, 'structuring', ['f9'], ['f7']),
    agentOf(1, 'structuring', ['f1', 'f7'], ['f4', 'f0'], forBlogs),
    agentOf(2, 'execution', [], ['f5']),
  ],
  wanting(['f4', 'f0'], 'mail'),
  progressOf(4, 2, 'branch'),
  true,
];
const onlyAPersonAtWork: DeltaExample = [
  catalogueOf({ f3: 'f0', f6: 'f0', f8: 'f3', f9: 'f8' }),
  [
    agentOf(0, 'execution', [], ['f0'], { inputFacets: [{ facet: 'f0', required: false }] }),
    agentOf(1, 'structuring', ['f3'], ['f9', 'f0']),
  ],
  wanting(['f0', 'f9']),
  progressOf(0, 1, 'policy'),
  true,
];

describe('Whatever is registered and asked for', () => {
  it('a proposed plan is valid, or the assembler said before what is wrong with it', () => {
    let valid = 0;
    fc.assert(
      fc.property(facets, capabilities, envelopes, policies, (catalogue, registered, envelope, rules) => {
        const snapshot = snapshotOf(registered, catalogue);
        const ask = { envelope, policies: rules, snapshot, budgetMs: 1000, clock: () => 0 };
        const plan = assemble(ask);
        expect(assemble(ask)).toEqual(plan);
        const said = new Set<string>(
          plan.diagnostics.filter((found) => found.severity === 'error').map((found) => found.code),
        );
        if (plan.draft === undefined) {
          expect(said.size).toBeGreaterThan(0);
          return;
        }
        const question = { runId: 'r', tenant: 'default', envelope, policies: rules, snapshot };
        const judged = validateDraft(question, plan.draft, {
          attempts: 1,
          cause: { kind: 'initial' },
          selections: plan.selections,
        });
        const errors = judged.diagnostics.filter((found) => found.severity === 'error');
        // Who makes again, by request, what is given already may be read from although nobody asked for that.
        const tolerated = rules.planner.selection.require.length > 0 ? ['DEPTH_EXCEEDED'] : [];
        if (said.size === 0) expect(errors.filter((found) => !tolerated.includes(found.code))).toEqual([]);
        if (judged.plan !== undefined) valid += 1;
      }),
      { numRuns: 300, seed: 11, examples: [madeAndRefinedWeakly] },
    );
    // The property would say nothing if hardly any plan were valid.
    expect(valid).toBeGreaterThan(75);
  });

  it('no capability is used without need: without any one of them a goal is lost or lies deeper', () => {
    fc.assert(
      fc.property(facets, capabilities, envelopes, (catalogue, registered, envelope) => {
        const ask = { envelope, policies: noPolicies(), budgetMs: 1000, clock: () => 0 };
        const plan = assemble({ ...ask, snapshot: snapshotOf(registered, catalogue), plain: true });
        if (plan.missing.length > 0) return;
        for (const id of plan.capabilities) {
          const rest = registered.filter(
            (one) => plan.capabilities.includes(one.capabilityId) && one.capabilityId !== id,
          );
          const less = assemble({ ...ask, snapshot: snapshotOf(rest, catalogue), plain: true });
          expect(less.missing.length > 0 || less.depth > plan.depth).toBe(true);
        }
      }),
      { numRuns: 150, seed: 13 },
    );
  });

  it('a delta, after whatever was done and for whatever reason, is valid and leaves alone what is done', () => {
    const causes = fc.constantFrom<PlanCause['kind']>(
      'policy',
      'hitl',
      'capability_lost',
      'retries_exhausted',
      'signal',
      'branch',
      'operator',
    );
    const progresses = fc.record({
      done: fc.nat(8),
      busy: fc.nat(2),
      lost: fc.nat(4),
      cause: causes,
      blamed: fc.nat(8),
    });
    let merged = 0;
    fc.assert(
      fc.property(
        facets,
        capabilities,
        envelopes,
        progresses,
        fc.boolean(),
        (catalogue, registered, envelope, progress, branched) => {
          const branches = branched ? ['x', 'y'].map((id) => ({ id, label: id })) : [];
          const rules = { ...noPolicies(), planner: { ...noPolicies().planner, branches } };
          const snapshot = snapshotOf(registered, catalogue);
          const ask = { envelope, policies: rules, snapshot, budgetMs: 1000, clock: () => 0 };
          const question = { runId: 'r', tenant: 'default', envelope, policies: rules, snapshot };
          const first = assemble(ask);
          const plan =
            first.draft && validateDraft(question, first.draft, { attempts: 1, cause: { kind: 'initial' } }).plan;
          if (plan === undefined) return;
          const ids = plan.nodes.map((node) => node.id);
          const completed = ids.slice(0, progress.done);
          const running = ids.slice(progress.done, progress.done + progress.busy);
          const cause: PlanCause = { kind: progress.cause, nodeId: ids[progress.blamed % ids.length] };
          const failing = progress.cause === 'retries_exhausted' ? ids[progress.done + progress.busy] : undefined;
          const failed = failing === undefined ? [] : [{ nodeId: failing, message: 'no' }];
          const lost = plan.nodes[progress.lost]?.capabilityId;
          const replan: ReplanContext = {
            baseVersion: 1,
            plan,
            completed,
            running,
            failed,
            available: [
              ...Object.keys(envelope.inputs ?? {}),
              ...plan.nodes.slice(0, progress.done).flatMap((node) => node.facets.output),
            ],
            exclude: lost !== undefined && progress.cause === 'capability_lost' ? [lost] : [],
            branchRequests: progress.cause === 'branch' ? [{ id: 'new', label: 'New' }] : [],
          };
          const { delta, diagnostics } = assembleDelta({ ...ask, replan, cause });
          const judged = validateDelta(
            { ...question, available: replan.available },
            plan,
            {
              completed: new Set(completed),
              running: new Set(running),
              failed: new Set(failed.map((node) => node.nodeId)),
            },
            delta,
            { attempts: 1, cause },
          );
          const errors = judged.diagnostics.filter((found) => found.severity === 'error');
          if (!diagnostics.some((found) => found.severity === 'error')) expect(errors).toEqual([]);
          if (judged.delta === undefined) return;
          merged += 1;
          const after = mergeDelta(plan, judged.delta, { cause });
          for (const id of completed)
            expect(after.nodes.find((node) => node.id === id)).toBe(plan.nodes.find((node) => node.id === id));
        },
      ),
      { numRuns: 400, seed: 12, examples: [runningInABranchCalledOff, onlyAPersonAtWork] },
    );
    expect(merged).toBeGreaterThan(140);
  });
});
