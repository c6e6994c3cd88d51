import { validateDraft } from './validate-draft.js';
import { linkedinDraft, origin, question } from './seed-world.spec.js';

describe('a sound draft', () => {
  it('becomes version 1 of a plan', () => {
    const { plan, diagnostics } = validateDraft(question(), linkedinDraft(), origin);
    expect(diagnostics).toEqual([]);
    expect(plan).toMatchObject({ runId: 'run1', version: 1, versionTag: 'v1', cause: { kind: 'initial' } });
  });
});
