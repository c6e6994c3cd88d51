import type { DraftNode, PlannerDiagnostic, PlannerDraft, RegisteredCapability } from '@flex/contracts';
import { validateDraft, type PlanningQuestion } from '@flex/planning';
import type { Proposal } from './plan-answer.js';

/** Facets that are tried as the only goal, when the contract names none; each try is one validation. */
const MAX_TRIES = 60;
/** Longest chain of needs that is followed. */
const MAX_DEPTH = 30;

/**
 * The plan without dynamic planning: one capability after the other, each the first by name that gives what is still
 * missing. No scores, branches, alternatives or transformations. Refused like any draft when it does not do.
 */
export function plainChain(question: PlanningQuestion): Proposal {
  const chains = new Chains(question);
  let refused: { draft: PlannerDraft; diagnostics: PlannerDiagnostic[] } | undefined;
  for (const goals of goalsOf(question)) {
    const chain = chains.to(goals);
    if (!chain) continue;
    const draft = draftOf(chain);
    const judged = validateDraft(question, draft, { attempts: 1, cause: { kind: 'initial' } });
    if (judged.plan) return { draft, diagnostics: [] };
    refused ??= { draft, diagnostics: judged.diagnostics };
  }
  return { diagnostics: refused?.diagnostics ?? [nothingFits(question)] };
}

/** What the chain has to end in, in the order in which it is tried: what is named, else single facets of the catalogue. */
function* goalsOf({ envelope, policies, snapshot }: PlanningQuestion): Generator<string[]> {
  const { outputContract } = envelope;
  const always = (envelope.goalConditions ?? []).map(({ facet }) => facet);
  for (const id of policies.planner.selection.require)
    always.push(...(snapshot.capabilities.get(id)?.outputFacets ?? []));
  if (outputContract.mode === 'facets') return yield [...outputContract.facets, ...always];
  if (outputContract.mode === 'json_schema') {
    const { schema } = outputContract;
    const properties =
      typeof schema === 'object' ? Object.keys((schema['properties'] as object | undefined) ?? {}) : [];
    const named = properties.flatMap((property) => {
      if (snapshot.facets.has(property)) return property;
      return [...snapshot.facets.values()].find(({ propertyKey }) => propertyKey === property)?.name ?? [];
    });
    if (named.length > 0) yield [...named, ...always];
  }
  const written = new Set(
    [...snapshot.capabilities.values()]
      .filter(({ status }) => status === 'active')
      .toSorted((a, b) => rank(a) - rank(b) || compare(a.capabilityId, b.capabilityId))
      .flatMap(({ outputFacets }) => outputFacets),
  );
  for (const facet of [...written].slice(0, MAX_TRIES)) yield [facet, ...always];
}

/** What makes something is likelier the answer than what prepares or judges it. */
const rank = ({ kind }: RegisteredCapability): number => (kind === 'execution' ? 0 : kind === 'transformation' ? 1 : 2);

class Chains {
  readonly #producers = new Map<string, RegisteredCapability[]>();
  readonly #given: ReadonlySet<string>;

  constructor({ envelope, available, policies, snapshot }: PlanningQuestion) {
    const forbidden = new Set(policies.planner.selection.forbid);
    const ancestors = (facet: string): string[] => {
      const chain = [facet];
      for (
        let parent = snapshot.facets.get(facet)?.extends;
        parent && !chain.includes(parent);
        parent = snapshot.facets.get(parent)?.extends
      )
        chain.push(parent);
      return chain;
    };
    const keys = new Map([...snapshot.facets.values()].map(({ name, propertyKey }) => [propertyKey ?? name, name]));
    const inputs = Object.keys(envelope.inputs ?? {}).map((key) =>
      snapshot.facets.has(key) ? key : (keys.get(key) ?? key),
    );
    this.#given = new Set([...inputs, ...(available ?? [])].flatMap(ancestors));
    for (const capability of [...snapshot.capabilities.values()].toSorted((a, b) =>
      compare(a.capabilityId, b.capabilityId),
    )) {
      if (capability.status !== 'active' || forbidden.has(capability.capabilityId)) continue;
      for (const facet of new Set(capability.outputFacets.flatMap(ancestors))) {
        const list = this.#producers.get(facet);
        if (list) list.push(capability);
        else this.#producers.set(facet, [capability]);
      }
    }
  }

  /** Capabilities in the order in which they run, or undefined when something that is needed cannot come. */
  to(goals: readonly string[]): RegisteredCapability[] | undefined {
    const chain: RegisteredCapability[] = [];
    return goals.every((goal) => this.#provide(goal, chain, new Set(), true)) ? chain : undefined;
  }

  /** `mustRun`: a goal has to be written by somebody, also when the client sent something of that name. */
  #provide(facet: string, chain: RegisteredCapability[], trying: Set<RegisteredCapability>, mustRun = false): boolean {
    const producers = this.#producers.get(facet) ?? [];
    if (producers.some((capability) => chain.includes(capability))) return true;
    if (this.#given.has(facet) && (!mustRun || producers.length === 0)) return true;
    for (const capability of producers) {
      if (trying.has(capability) || trying.size > MAX_DEPTH) continue;
      const before = chain.length;
      trying.add(capability);
      const needs = capability.inputFacets.filter(({ required }) => required !== false);
      const ready = needs.every(({ facet: need }) => this.#provide(need, chain, trying));
      trying.delete(capability);
      if (ready) {
        chain.push(capability);
        return true;
      }
      chain.length = before;
    }
    return this.#given.has(facet);
  }
}

function draftOf(chain: readonly RegisteredCapability[]): PlannerDraft {
  const nodes = chain.map(({ capabilityId, kind, displayName, inputFacets, outputFacets }): DraftNode => ({
    id: capabilityId,
    kind,
    capabilityId,
    label: displayName,
    inputFacets: inputFacets.filter(({ required }) => required !== false).map(({ facet }) => facet),
    outputFacets: [...outputFacets],
    rationale: ['Dynamic planning is off: the first capability by name that gives what is missing'],
  }));
  const edges = nodes.slice(1).map((node, at) => ({ from: nodes[at]!.id, to: node.id }));
  return { nodes, edges };
}

const nothingFits = ({ snapshot }: PlanningQuestion): PlannerDiagnostic => ({
  code: 'CAPABILITY_MISSING',
  severity: 'error',
  message:
    snapshot.capabilities.size === 0
      ? 'No capability is registered'
      : 'No chain of the registered capabilities gives what the output contract asks for',
  suggestion: 'Register a capability whose output facets the contract can be composed of, or turn dynamic planning on.',
});

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
