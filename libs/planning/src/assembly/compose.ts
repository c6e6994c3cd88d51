import { extractProblem, type SearchBudget } from './composition-problem.js';
import { searchComposition } from './composition-search.js';
import { reachForward, UNREACHED, type Reachability } from './forward-reachability.js';
import type { RegistryIndex } from './registry-index.js';

export interface CompositionQuestion {
  readonly index: RegistryIndex;
  readonly provided: readonly number[];
  readonly goals: readonly number[];
  /** Capabilities that have to be part of it. */
  readonly forced: readonly number[];
  readonly allowed: Uint8Array;
  /** Positive whole number: what using a capability costs; the sum is minimised. */
  readonly cost: (capability: number) => number;
  /** Layers that may be spent beyond the fewest possible, where something else than depth comes first. */
  readonly slack: number;
  readonly budget: SearchBudget;
}

/** Chosen capabilities in an order in which they can run, and where each stands. */
export interface CompositionAnswer {
  readonly chosen: readonly number[];
  readonly layerOf: ReadonlyMap<number, number>;
  readonly depth: number;
  readonly proven: boolean;
  readonly reach: Reachability;
}

/** Everything that can be reached; one linear pass. */
export function reachAll(index: RegistryIndex, provided: readonly number[], allowed: Uint8Array): Reachability {
  return reachForward(index, { provided, goals: [], allowed, exhaustive: true });
}

/** Undefined when a goal can't be reached; `reach` of the question then says which. */
export function compose(question: CompositionQuestion, reach: Reachability): CompositionAnswer | undefined {
  const { index, goals, forced } = question;
  let least = 0;
  for (const goal of goals) least = Math.max(least, reach.facetLayer[goal]!);
  for (const capability of forced) least = Math.max(least, reach.capabilityLayer[capability]!);
  if (least >= UNREACHED) return undefined;
  if (least === 0) return { chosen: [], layerOf: new Map(), depth: 0, proven: true, reach };
  const { problem, capabilityOf } = extractProblem(index, reach, goals, least + question.slack, question.cost, forced);
  const found = searchComposition(problem, question.budget);
  if (found === undefined) return undefined;
  const layerOf = layersAmong(
    question,
    found.chosen.map((candidate) => capabilityOf[candidate]!),
  );
  const chosen = [...layerOf.keys()].sort((a, b) => layerOf.get(a)! - layerOf.get(b)! || a - b);
  return { chosen, layerOf, depth: Math.max(0, ...layerOf.values()), proven: found.proven, reach };
}

/** The layer of each chosen capability when only they run. */
function layersAmong(question: CompositionQuestion, chosen: readonly number[]): Map<number, number> {
  const { index, provided } = question;
  const available = new Set<number>();
  const bring = (facet: number): void => {
    for (let at = facet; at !== -1 && !available.has(at); at = index.parent[at]!) available.add(at);
  };
  provided.forEach(bring);
  const layerOf = new Map<number, number>();
  let waiting = [...chosen];
  for (let layer = 1; waiting.length > 0; layer += 1) {
    const ready = waiting.filter((capability) =>
      rowOf(index.requiredInputs, capability).every((facet) => available.has(facet)),
    );
    if (ready.length === 0) break;
    for (const capability of ready) layerOf.set(capability, layer);
    for (const capability of ready) rowOf(index.outputs, capability).forEach(bring);
    waiting = waiting.filter((capability) => !layerOf.has(capability));
  }
  return layerOf;
}

export function rowOf(rows: { start: Int32Array; items: Int32Array }, row: number): Int32Array {
  return rows.items.subarray(rows.start[row]!, rows.start[row + 1]!);
}
