import { rehearse, rehearseEnvelope } from './rehearse.js';
import { snapshot } from './validation/seed-world.spec.js';

describe('a rehearsal', () => {
  const clock = () => performance.now();

  it('plans what the registry can make', () => {
    expect(rehearse(snapshot, clock)).toBeGreaterThan(0);
  });

  it('judges an envelope that is sound, so that nothing is left out', () => {
    expect(rehearseEnvelope()).toEqual([]);
  });

  it('makes nothing of a registry that can make nothing', () => {
    expect(rehearse({ ...snapshot, capabilities: new Map() }, clock)).toBe(0);
  });
});
