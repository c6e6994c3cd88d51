import type { Branch, PlannerDiagnostic, PlannerDraft, Selection } from '@flex/contracts';
import { Alternatives } from './alternatives.js';
import { expandBranches } from './branches.js';
import { isWeak, type Core } from './choose-core.js';
import { chooseRequired, kindMissing } from './choose-required.js';
import { CoreSteps, emptyGround, type Ground } from './core-steps.js';
import { draftOf } from './draft-of-steps.js';
import { addConfirmations, addGuards } from './fallbacks.js';
import { gapDiagnostics, relatedTo, whyMissing } from './gaps.js';
import { goalsOf, objectiveLiterals, type Goals } from './goals.js';
import { budgetFindings, depthFindings } from './limits.js';
import { addOutputStep } from './output-step.js';
import { envelopeFacets } from '../validation/envelope-facets.js';
import { PlanningWorld, type WorldQuestion } from './planning-world.js';
import { policyConflicts } from './policy-conflicts.js';
import { addValidators } from './validators.js';
import { enforceVariantCount } from './variant-count.js';

export interface AssemblyQuestion extends WorldQuestion {
  /** Time for proving that the plan is minimal; a plan is there long before. */
  readonly budgetMs: number;
  readonly clock: () => number;
  /** The bare chain: no scores to choose by, no checks, branches or fallbacks. */
  readonly plain?: boolean;
  /** What of a plan is there already. */
  readonly ground?: Ground;
  /** Branches to plan, in place of those of the policies: with those that an upstream output asked for, or only some. */
  readonly branches?: readonly Branch[];
}

export interface Assembly {
  /** Absent when there is nothing to propose; the diagnostics say why. */
  readonly draft?: PlannerDraft;
  /** Why each capability, by node id. */
  readonly selections: Record<string, Selection>;
  readonly diagnostics: PlannerDiagnostic[];
  /** The choice of capabilities is proven to be the cheapest. */
  readonly proven: boolean;
  /** Capabilities on the longest chain. */
  readonly depth: number;
  /** Capabilities chosen, in an order in which they can run. */
  readonly capabilities: readonly string[];
  /** Wanted facets that nothing registered can make. */
  readonly missing: readonly string[];
}

/**
 * Assembles a plan from what is registered: the fewest capabilities that make what is wanted, in the fewest layers, chosen by score
 * where several would do; then checks, branches, the form of the answer, and people where nothing else helps.
 */
export function assemble(question: AssemblyQuestion): Assembly {
  const started = question.clock();
  const { policies, envelope, snapshot } = question;
  const diagnostics = policyConflicts(policies, envelope, snapshot);
  const ground = question.ground ?? emptyGround;
  const given = new Set([...(question.available ?? []), ...ground.standing.flatMap((node) => node.writes)]);
  const literals = objectiveLiterals(
    envelope.objective,
    new Set([...Object.keys(envelope.inputs ?? {}), ...given]),
    snapshot,
  );
  const world = new PlanningWorld({ ...question, available: [...given, ...literals.keys()] });
  const goals = goalsOf(world);
  diagnostics.push(...goals.diagnostics);
  const goalFacets = [...goals.wanted.keys()].flatMap((name) => world.index.facetIds.get(name) ?? []);
  world.wants(goalFacets);

  const deadline = started + question.budgetMs;
  const core = chooseRequired(world, { goals: goalFacets, clock: question.clock, deadline }, diagnostics);
  const missing = core.missing.map((facet) => world.index.facetNames[facet]!);
  const starts = new Set([
    ...envelopeFacets(envelope, snapshot).keys(),
    ...(question.available ?? []),
    ...literals.keys(),
  ]);
  const steps = new CoreSteps(world, ground, starts, literals);
  const mayFallBack = policies.planner.topology.forbiddenKinds?.includes('fallback') !== true;
  for (const facet of core.gaps) {
    const name = world.index.facetNames[facet]!;
    diagnostics.push(...gapDiagnostics(world, facet, mayFallBack));
    if (mayFallBack) steps.addGap(name, whyMissing(world, facet));
  }
  addCoreSteps(world, steps, core, goals);
  const finished =
    question.plain === true
      ? plainRest(world, steps, goals, core)
      : rest(world, steps, goals, core, question, diagnostics);
  steps.trimContext();
  diagnostics.push(...depthFindings(steps.graph, policies), ...budgetFindings(steps.graph, policies));

  const draft = steps.graph.drafted.length === 0 ? undefined : draftOf(steps.graph, finished.branches);
  if (draft === undefined && ground.standing.length === 0 && !diagnostics.some((found) => found.severity === 'error'))
    diagnostics.push({
      code: 'OUTPUT_CONTRACT_UNSATISFIABLE',
      severity: 'error',
      message: 'Nothing that is wanted can be made of what is registered',
      pointer: '/outputContract',
    });
  return {
    ...(draft === undefined ? {} : { draft: draft.draft }),
    selections: draft?.selections ?? {},
    diagnostics,
    proven: core.answer.proven && missing.length === 0,
    depth: core.answer.depth,
    capabilities: core.answer.chosen.map((capability) => world.capability(capability).capabilityId),
    missing,
  };
}

const branchMissing = (branch: Branch): PlannerDiagnostic => ({
  code: 'BRANCH_MISSING',
  severity: 'error',
  message: `Nothing in the plan can be done in the branch ${branch.id} (${branch.label}): what is wanted is given already`,
  pointer: '/policies/planner/branches',
  suggestion: 'Leave the branches out, or ask for something that has to be made',
});

function addCoreSteps(world: PlanningWorld, steps: CoreSteps, core: Core, goals: Goals): void {
  const added = core.answer.chosen.map((capability) => {
    const step = steps.addCapability(capability, core.answer.layerOf.get(capability)!);
    if (isWeak(world, capability)) step.derived = { coverage: 1 };
    return step;
  });
  for (const step of added) steps.connect(step);
  for (const step of added) {
    const forWhom = steps.graph.readersOf(step.id).map((reader) => reader.label);
    const forGoals = [...goals.wanted].filter(([goal]) => gives(world, steps, step.id, goal));
    for (const [goal, reason] of forGoals) step.rationale.push(`Makes ${goal}, which ${wantedBy[reason]}`);
    if (forWhom.length > 0) step.rationale.push(`Needed by ${forWhom.slice(0, 5).join(', ')}`);
    if (step.rationale.length === 0) step.rationale.push('Required by the policies');
  }
}

const wantedBy = {
  path: 'the output contract asks for',
  goal_condition: 'a goal condition looks at',
  policy_reference: 'a policy reads',
} as const;

function gives(world: PlanningWorld, steps: CoreSteps, id: string, goal: string): boolean {
  const facet = world.index.facetIds.get(goal);
  return facet !== undefined && steps.stepGives(steps.graph.get(id), facet);
}

interface Finished {
  readonly branches: readonly Branch[];
}

function goalProvidersOf(world: PlanningWorld, steps: CoreSteps, goals: Goals): Map<string, readonly string[]> {
  return new Map(
    [...goals.wanted.keys()].map((goal) => {
      const facet = world.index.facetIds.get(goal);
      return [goal, facet === undefined ? [] : [...steps.providers(facet, Infinity), ...steps.beside(facet)]] as const;
    }),
  );
}

function plainRest(world: PlanningWorld, steps: CoreSteps, goals: Goals, _core: Core): Finished {
  const providers = goalProvidersOf(world, steps, goals);
  steps.trimWrites(providers);
  addOutputStep(steps, goals.contract, providers, 0, false);
  return { branches: [] };
}

function rest(
  world: PlanningWorld,
  steps: CoreSteps,
  goals: Goals,
  core: Core,
  question: AssemblyQuestion,
  diagnostics: PlannerDiagnostic[],
): Finished {
  const { policies, snapshot } = question;
  const { topology } = policies.planner;
  const { graph } = steps;
  const goalFacets = [...goals.wanted.keys()].flatMap((name) => world.index.facetIds.get(name) ?? []);
  relatedTo(world, steps, core);
  addValidators(world, steps, goalFacets, core.answer.depth + 1);
  let providers = goalProvidersOf(world, steps, goals);
  steps.trimWrites(providers);
  if (topology.variantCount !== undefined)
    diagnostics.push(...enforceVariantCount(steps, snapshot, topology.variantCount));

  const alternatives = new Alternatives(world, graph);
  const branches = question.branches ?? policies.planner.branches;
  if (branches.length > 0 && graph.drafted.length > 0) {
    const expanded = expandBranches(world, steps, branches, providers, alternatives);
    providers = expanded.goalProviders;
    diagnostics.push(...expanded.diagnostics);
  }
  const placed = new Set([...graph.steps.values(), ...steps.ground.beside].map((step) => step.branchId));
  for (const branch of branches) if (!placed.has(branch.id)) diagnostics.push(branchMissing(branch));
  select(world, steps, providers, alternatives);
  diagnostics.push(...addConfirmations(graph, policies, world.settings.threshold, providers));
  const forbidsTransformation = topology.forbiddenKinds?.includes('transformation') === true;
  const requiresTransformation = topology.requiredKinds?.includes('transformation') === true;
  const hasTransformation = graph.drafted.some((step) => step.kind === 'transformation');
  addOutputStep(steps, goals.contract, providers, branches.length, requiresTransformation && !hasTransformation);
  if (forbidsTransformation)
    for (const step of graph.drafted.filter((one) => one.kind === 'transformation' && one.mapping !== undefined))
      diagnostics.push({
        code: 'KIND_FORBIDDEN',
        severity: 'error',
        message: `The policy forbids transformation nodes, but ${step.label.toLowerCase()} needs one`,
        nodeId: step.id,
        pointer: '/policies/planner/topology/forbiddenKinds',
        suggestion: 'Ask for facets as they are in the output contract, or allow transformations',
      });
  if (topology.forbiddenKinds?.includes('fallback') !== true)
    addGuards(graph, providers, () => topology.maxDepth === undefined || graph.depth() <= topology.maxDepth);
  for (const kind of ['validation', 'branch', 'fallback'] as const)
    if (topology.requiredKinds?.includes(kind) === true && !graph.drafted.some((step) => step.kind === kind))
      diagnostics.push(kindMissing(kind));
  const known = new Set(policies.planner.branches.map((branch) => branch.id));
  return { branches: branches.filter((branch) => !known.has(branch.id)) };
}

const FALLBACKS = 2;

/** Notes on each step why its capability, and whom to try next. */
function select(
  world: PlanningWorld,
  { graph }: CoreSteps,
  providers: ReadonlyMap<string, readonly string[]>,
  alternatives: Alternatives,
): void {
  for (const step of graph.drafted) {
    if (step.capability === undefined) continue;
    const goals = [...providers].filter(([, ids]) => ids.includes(step.id)).map(([goal]) => goal);
    const others = alternatives.of(step, goals);
    step.selection = alternatives.selectionOf(step, others);
    // Also those below the threshold: when the chosen one has failed, they are still tried before a person is asked.
    step.fallback = others.slice(0, FALLBACKS).map((other) => world.capability(other).capabilityId);
    const { score, threshold, runnersUp } = step.selection!;
    const next =
      runnersUp[0] === undefined
        ? 'nothing else could do it'
        : `next ${runnersUp[0].capabilityId} with ${runnersUp[0].score}`;
    step.rationale.push(`Score ${score}, threshold ${threshold}; ${next}`);
  }
}
