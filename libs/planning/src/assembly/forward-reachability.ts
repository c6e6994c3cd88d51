import type { RegistryIndex } from './registry-index.js';

/** Neither reachable now nor later. */
export const UNREACHED = 0x3fffffff;

/**
 * What a registry can do from a set of provided facets, layer by layer.
 *
 * A capability stands in layer k when every required input is available after layer k - 1 (provided facets: layer 0), so
 * the layer is the length of the shortest possible chain up to and including it.
 */
export interface Reachability {
  readonly capabilityLayer: Int32Array;
  readonly facetLayer: Int32Array;
  /** Layers needed until every goal is available; UNREACHED when one never is. */
  readonly depth: number;
}

export interface ReachabilityQuestion {
  readonly provided: Iterable<number>;
  readonly goals: readonly number[];
  /** 1 for each capability that may be used; absent: all. */
  readonly allowed?: Uint8Array | undefined;
  /** Go on past the goals, to see everything that could be reached. */
  readonly exhaustive?: boolean | undefined;
}

/** Linear in the part of the registry that is reached: each facet becomes available once, each input is counted down once. */
export function reachForward(index: RegistryIndex, question: ReachabilityQuestion): Reachability {
  const { parent, requiredInputs, outputs, consumers } = index;
  const capabilityCount = index.capabilities.length;
  const capabilityLayer = new Int32Array(capabilityCount).fill(UNREACHED);
  const facetLayer = new Int32Array(parent.length).fill(UNREACHED);
  const missingInputs = new Int32Array(capabilityCount);
  const isGoal = new Uint8Array(parent.length);
  let missingGoals = 0;
  for (const goal of question.goals) {
    if (isGoal[goal] === 0) missingGoals += 1;
    isGoal[goal] = 1;
  }

  let fresh: number[] = [];
  /** A facet brings its ancestors along; one that is available already has brought them before. */
  const makeAvailable = (facet: number, layer: number): void => {
    for (let at = facet; at !== -1 && facetLayer[at] === UNREACHED; at = parent[at]!) {
      facetLayer[at] = layer;
      missingGoals -= isGoal[at]!;
      fresh.push(at);
    }
  };

  let ready: number[] = [];
  for (let capability = 0; capability < capabilityCount; capability += 1) {
    const needed = requiredInputs.start[capability + 1]! - requiredInputs.start[capability]!;
    if (question.allowed !== undefined && question.allowed[capability] === 0) missingInputs[capability] = -1;
    else if (needed === 0) ready.push(capability);
    else missingInputs[capability] = needed;
  }
  for (const facet of question.provided) makeAvailable(facet, 0);

  let layer = 0;
  let depth = missingGoals === 0 ? 0 : UNREACHED;
  while (missingGoals > 0 || question.exhaustive === true) {
    for (const facet of fresh) {
      for (let at = consumers.start[facet]!; at < consumers.start[facet + 1]!; at += 1) {
        const capability = consumers.items[at]!;
        missingInputs[capability]! -= 1;
        if (missingInputs[capability] === 0) ready.push(capability);
      }
    }
    if (ready.length === 0) break;
    layer += 1;
    const running = ready;
    ready = [];
    fresh = [];
    for (const capability of running) {
      capabilityLayer[capability] = layer;
      for (let at = outputs.start[capability]!; at < outputs.start[capability + 1]!; at += 1)
        makeAvailable(outputs.items[at]!, layer);
    }
    if (missingGoals === 0 && depth === UNREACHED) depth = layer;
  }
  return { capabilityLayer, facetLayer, depth };
}
