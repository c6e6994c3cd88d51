import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { noPolicies, type RegistrySnapshot } from '@flex/contracts';
import { assemble, type Assembly } from './assemble.js';
import { generateComposition, type CompositionProblem } from './composition-generator.js';

function plan(problem: CompositionProblem, budgetMs: number): Assembly {
  const snapshot: RegistrySnapshot = {
    revision: 1,
    facets: new Map(
      Object.entries(problem.concepts).map(([name, parent]) => [
        name,
        { name, schema: true, direction: 'bidirectional', ...(parent === null ? {} : { extends: parent }) },
      ]),
    ),
    capabilities: new Map(
      problem.services.map(({ name, inputs, outputs }) => [
        name,
        {
          capabilityId: name,
          version: '1',
          displayName: name,
          kind: 'execution',
          agentType: 'ai',
          inputFacets: inputs.map((facet) => ({ facet })),
          outputFacets: [...outputs],
          status: 'active',
        },
      ]),
    ),
  };
  const envelope = {
    objective: 'Compose',
    inputs: Object.fromEntries(problem.request.provided.map((facet) => [facet, true])),
    outputContract: { mode: 'facets' as const, facets: [...problem.request.wanted] },
  };
  return assemble({ envelope, policies: noPolicies(), snapshot, budgetMs, clock: () => performance.now() });
}

/** Executes the capabilities on the problem itself. */
function works(problem: CompositionProblem, capabilities: readonly string[]): boolean {
  const available = new Set<string>();
  const bring = (concept: string): void => {
    for (let at: string | null = concept; at !== null; at = problem.concepts[at] ?? null) available.add(at);
  };
  problem.request.provided.forEach(bring);
  for (const name of capabilities) {
    const service = problem.services.find((one) => one.name === name)!;
    if (!service.inputs.every((input) => available.has(input))) return false;
    service.outputs.forEach(bring);
  }
  return problem.request.wanted.every((concept) => available.has(concept));
}

/** The fewest layers, and the fewest services that do with these. */
function bestByTrial({ concepts, services, request }: CompositionProblem): { depth: number; count: number } {
  const lineage = (concept: string): string[] => {
    const parent = concepts[concept] ?? null;
    return parent === null ? [concept] : [concept, ...lineage(parent)];
  };
  const gives = services.map(({ outputs }) => outputs.flatMap(lineage));
  const layersOf = (subset: number): number => {
    const available = new Set(request.provided.flatMap(lineage));
    let left = [...services.keys()].filter((at) => ((subset >> at) & 1) === 1);
    for (let layer = 0; ; layer += 1) {
      if (request.wanted.every((concept) => available.has(concept))) return layer;
      const ready = left.filter((at) => services[at]!.inputs.every((input) => available.has(input)));
      if (ready.length === 0) return Infinity;
      for (const at of ready) for (const concept of gives[at]!) available.add(concept);
      left = left.filter((at) => !ready.includes(at));
    }
  };
  const depth = layersOf((1 << services.length) - 1);
  let count = services.length;
  for (let subset = 0; subset < 1 << services.length; subset += 1) {
    let size = 0;
    for (let rest = subset; rest > 0; rest &= rest - 1) size += 1;
    if (size < count && layersOf(subset) === depth) count = size;
  }
  return { depth, count };
}

const shape = { concepts: 3000, services: 1500, maxInputs: 2, maxOutputs: 3, wanted: 3 };

describe('Generated composition problems', () => {
  it.each([1, 2, 3])('seed %i: deep and contested, solved and proven', (seed) => {
    const problem = generateComposition({ ...shape, seed, depth: 14, width: 5, rivals: 7 });
    const found = plan(problem, 20_000);
    expect(found).toMatchObject({ depth: 14, proven: true, missing: [] });
    expect(works(problem, found.capabilities)).toBe(true);
  });

  it.each([
    { depth: 20, width: 8, rivals: 30 },
    { depth: 8, width: 20, rivals: 100 },
    { depth: 12, width: 10, rivals: 40, maxInputs: 3, maxOutputs: 6 },
    { depth: 30, width: 4, rivals: 6 },
  ])('many rivals in each layer, solved and proven: %j', (more) => {
    const problem = generateComposition({ ...shape, seed: 5, ...more });
    const found = plan(problem, 20_000);
    expect(found).toMatchObject({ depth: more.depth, proven: true, missing: [] });
    expect(works(problem, found.capabilities)).toBe(true);
  });

  it('small ones: depth and number are what trying every subset finds', () => {
    let solved = 0;
    for (let seed = 0; seed < 80; seed += 1) {
      const [depth, width] = [2 + (seed % 3), 1 + (seed % 4)];
      const problem = generateComposition({
        seed,
        concepts: 60,
        services: 12,
        depth,
        width,
        rivals: Math.min(width + 1, Math.floor(12 / depth)),
        maxInputs: 1 + (seed % 2),
        maxOutputs: 1 + (seed % 3),
        wanted: 1 + (seed % 2),
      });
      const found = plan(problem, 20_000);
      const best = bestByTrial(problem);
      if (best.depth === Infinity) {
        expect(found.missing.length).toBeGreaterThan(0);
        continue;
      }
      solved += 1;
      expect({ seed, proven: found.proven, depth: found.depth, count: found.capabilities.length }).toEqual({
        seed,
        proven: true,
        ...best,
      });
    }
    expect(solved).toBeGreaterThan(60);
  });

  it('too hard to prove in the time given: a valid plan all the same, and it says so', () => {
    const problem = generateComposition({
      ...shape,
      seed: 4,
      depth: 15,
      width: 12,
      rivals: 40,
      maxInputs: 4,
      wanted: 6,
    });
    const found = plan(problem, 0);
    expect(found).toMatchObject({ depth: 15, proven: false, missing: [] });
    expect(works(problem, found.capabilities)).toBe(true);
  });
});

const folder = process.env.FLEX_DATA ?? new URL('../../../../../shared/data', import.meta.url).pathname;
const sets = existsSync(`${folder}/composition`)
  ? readdirSync(`${folder}/composition`).filter((name) => name.endsWith('.json.gz'))
  : [];

/** Best known: services and depth; from the README of the data. */
const known: Record<string, [count: number, depth: number]> = {
  'wsc08-01': [10, 3],
  'wsc08-02': [5, 3],
  'wsc08-04': [10, 5],
  'wsc08-05': [20, 8],
  'wsc09-01': [5, 3],
  'wsc09-02': [20, 6],
};

(sets.length === 0 ? describe.skip : describe)(
  'Published composition problems (skipped where the data is absent)',
  () => {
    it.each(sets)('%s', (name) => {
      const problem = JSON.parse(
        gunzipSync(readFileSync(`${folder}/composition/${name}`)).toString(),
      ) as CompositionProblem;
      const found = plan(problem, 10_000);
      const best = known[problem.name];
      if (best === undefined) {
        expect(found.missing.length).toBeGreaterThan(0);
        expect(found.missing.every((facet) => problem.request.wanted.includes(facet))).toBe(true);
        return;
      }
      expect([found.capabilities.length, found.depth, found.proven]).toEqual([...best, true]);
      expect(works(problem, found.capabilities)).toBe(true);
    });
  },
);
