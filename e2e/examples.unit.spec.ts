import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { issuesOf, TaskEnvelope, type Facet } from '@flex/contracts';
import { normalizePolicies, validatorFor } from '@flex/planning';

const folder = fileURLToPath(new URL('../examples/', import.meta.url));
const read = <T>(path: string): T => JSON.parse(readFileSync(folder + path, 'utf8')) as T;
const envelopes = readdirSync(folder).filter((name) => name.endsWith('.json'));

/** Every facet of examples/catalog, whichever files it is spread over. */
function catalogue(): Map<string, Facet> {
  const path = `${folder}catalog/facets.json`;
  const list = existsSync(path) ? read<Facet[]>('catalog/facets.json') : [];
  return new Map(list.map((facet) => [facet.name, facet]));
}

describe('examples', () => {
  it('has the envelopes that the README of the examples tells of', () => {
    const told = [...readFileSync(`${folder}README.md`, 'utf8').matchAll(/^\| `([a-z-]+\.json)`/gm)].map(
      (match) => match[1],
    );
    expect(told.toSorted()).toEqual(envelopes.toSorted());
  });

  it.each(envelopes)('%s is a valid envelope', (name) => {
    expect(issuesOf(TaskEnvelope, read(name))).toEqual([]);
  });

  it.each(envelopes)('%s has policies that compile', (name) => {
    const { policies } = read<TaskEnvelope>(name);
    const { diagnostics } = normalizePolicies(policies ?? {});
    expect(diagnostics.filter((finding) => finding.severity === 'error')).toEqual([]);
  });

  it.each(envelopes)('%s has inputs that fit the catalogue', (name) => {
    const facets = catalogue();
    for (const [input, value] of Object.entries(read<TaskEnvelope>(name).inputs ?? {})) {
      const facet = facets.get(input);
      expect(facet?.name).toBe(input);
      expect(validatorFor(facet!.schema)(value)).toEqual([]);
    }
  });
});
