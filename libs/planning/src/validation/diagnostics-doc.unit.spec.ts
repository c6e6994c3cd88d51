import { readFileSync } from 'node:fs';
import { diagnosticCodes } from '@flex/contracts';

describe('docs/diagnostics.md', () => {
  it('explains every code, and no others', () => {
    const text = readFileSync(new URL('../../../../docs/diagnostics.md', import.meta.url), 'utf8');
    const explained = [...text.matchAll(/^\| `([A-Z_0-9]+)` *\|/gm)].map(([, code]) => code);
    expect(explained.toSorted()).toEqual([...diagnosticCodes].toSorted());
  });
});
