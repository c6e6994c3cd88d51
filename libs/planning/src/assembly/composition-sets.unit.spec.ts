import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { noPolicies, type RegistrySnapshot } from '@flex/contracts';
import { assemble, type Assembly } from './assemble.js';
import { generateComposition, type GeneratedProblem } from './composition-generator.js';

function plan(problem: GeneratedProblem, budgetMs: number): Assembly {
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
function works(problem: GeneratedProblem, capabilities: readonly string[]): boolean {
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

const shape = { concepts: 3000, services: 1500, maxInputs: 2, maxOutputs: 3, wanted: 3 };

describe('Generated composition problems', () => {
  it.each([1, 2, 3])('seed %i: deep and contested, solved and proven', (seed) => {
    const problem = generateComposition({ ...shape, seed, depth: 14, width: 5, rivals: 7 });
    const found = plan(problem, 20_000);
    expect(found).toMatchObject({ depth: 14, proven: true, missing: [] });
    expect(works(problem, found.capabilities)).toBe(true);
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
      ) as GeneratedProblem;
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
