import { generateComposition, type CompositionProblem } from '@flex/planning';
import { publishedSets, readSet, snapshotOf, solve, warmUp } from './composition.js';
import { round } from './statistics.js';

/** Capabilities of the generated registries; as many services compete in each as a large catalogue has. */
const SIZES = [100, 1_000, 4_000, 8_000];
const BUDGET_MS = 1_500;
const TURNS = 3;

/**
 * Plan assembly on the published sets, as `bench composition` does it, and on registries of growing size. Beside it what
 * merely parsing the same registry from JSON takes: a planner that cannot look at all of it is not faster than that.
 */
export function benchPlan(env: NodeJS.ProcessEnv): Record<string, unknown>[] {
  warmUp();
  const rows = SIZES.map((services) => row(generated(services)));
  const files = publishedSets(env);
  if (files.length === 0) rows.push({ bench: 'plan', set: 'no published sets; set FLEX_DATA' });
  return [...rows, ...files.map((file) => row(readSet(file)))];
}

const generated = (services: number): CompositionProblem => ({
  ...generateComposition({
    ...{ seed: services, services, concepts: services * 2, depth: 8, width: 6, rivals: 8 },
    ...{ maxInputs: 2, maxOutputs: 3, wanted: 3 },
  }),
  name: `generated-${services}`,
});

/** The best of a few turns for both: the machine's noise only ever adds. */
function row(set: CompositionProblem): Record<string, unknown> {
  const { facets, capabilities } = snapshotOf(set);
  const text = JSON.stringify([...facets.values(), ...capabilities.values()]);
  const turns = Array.from({ length: TURNS }, () => {
    const begun = performance.now();
    JSON.parse(text);
    return { parseMs: performance.now() - begun, result: solve(set, BUDGET_MS) };
  });
  const parseMs = Math.min(...turns.map((turn) => turn.parseMs));
  const ms = Math.min(...turns.map(({ result }) => result.ms));
  const { valid, count, depth, proven, missing } = turns[0]!.result;
  return {
    bench: 'plan',
    set: set.name,
    capabilities: capabilities.size,
    facets: facets.size,
    ms: round(ms),
    parseMs: round(parseMs),
    overParse: round(ms / parseMs),
    services: count,
    depth,
    valid: missing.length > 0 ? 'no solution' : valid,
    proven,
  };
}
