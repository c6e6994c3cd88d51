import { readFileSync } from 'node:fs';
import { frameTypes, runCatalogue, runStatuses } from '@flex/contracts';

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8');
const page = read('../../../docs/hybrid-loop.md');

describe('docs/hybrid-loop.md', () => {
  it.each(Object.keys(runCatalogue))('tells what %s says', (type) => expect(page).toContain(`\`${type}\``));
  it.each([...frameTypes])('has the frame %s in the SSE contract', (type) => expect(page).toContain(`\`${type}\``));
  it.each([...runStatuses])('shows the state %s', (status) => expect(page).toContain(status));

  it('names only settings that the planner reads', () => {
    const settings = [...page.matchAll(/FLEX_PLANNER_\w+/g)].map(([name]) => name);
    const config = read('./planner.config.ts');
    expect(settings.length).toBeGreaterThan(5);
    for (const name of settings) expect(config).toContain(`'${name}'`);
  });
});
