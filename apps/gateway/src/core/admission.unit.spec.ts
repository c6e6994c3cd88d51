import fc from 'fast-check';
import { Admission } from './admission.js';

const limits = { pending: 10, behind: 1_000, openRuns: 0 };

describe('admission', () => {
  it('bounds what waits for the log, and leaves room for other tenants', () => {
    const admission = new Admission(limits);
    const taken = (tenant: string): number => {
      for (let count = 0; ; count++) if (admission.enter(tenant, 0)) return count;
    };
    expect(taken('a')).toBe(8);
    expect(admission.enter('a', 0)).toEqual({ reason: 'share', retryAfter: 1 });
    expect(taken('b')).toBe(2);
    expect(admission.enter('c', 0)).toEqual({ reason: 'pending', retryAfter: 1 });
    admission.leave('a', true);
    expect(admission.enter('c', 0)).toBeUndefined();
  });

  it('stops while the orchestrators are behind, and says when to come back', () => {
    const admission = new Admission(limits);
    admission.heard('one', 600, 0);
    expect(admission.enter('a', 0)).toBeUndefined();
    admission.heard('two', 1_500, 0);
    expect(admission.enter('a', 1)).toEqual({ reason: 'behind', retryAfter: 3 });
    admission.heard('two', 0, 2);
    expect(admission.enter('a', 3)).toBeUndefined();
  });

  it('forgets an orchestrator that is not heard of any more', () => {
    const admission = new Admission(limits);
    admission.heard('gone', 5_000, 0);
    expect(admission.enter('a', 9_000)).toMatchObject({ reason: 'behind' });
    expect(admission.enter('a', 11_000)).toBeUndefined();
  });

  it('takes in a bounded number while no orchestrator is heard of', () => {
    const admission = new Admission(limits);
    let taken = 0;
    for (; !admission.enter('a', taken); taken++) admission.leave('a', true);
    expect(taken).toBe(limits.behind);
    admission.heard('back', 0, 0);
    expect(admission.enter('a', 0)).toBeUndefined();
  });

  it('bounds the open runs of a tenant', () => {
    const admission = new Admission({ ...limits, openRuns: 3 });
    admission.counted('a', 2);
    expect(admission.enter('a', 0)).toBeUndefined();
    admission.leave('a', true);
    expect(admission.enter('a', 0)).toEqual({ reason: 'open', retryAfter: 10 });
    expect(admission.enter('b', 0)).toBeUndefined();
  });

  it('never lets more wait than it may, whatever comes and goes, and gives every place back', () => {
    const tenants = fc.constantFrom('a', 'b', 'c');
    fc.assert(
      fc.property(fc.array(fc.tuple(tenants, fc.boolean()), { maxLength: 200 }), (steps) => {
        const admission = new Admission(limits);
        const inside: string[] = [];
        for (const [tenant, comes] of steps) {
          if (!comes && inside.includes(tenant)) {
            inside.splice(inside.indexOf(tenant), 1);
            admission.leave(tenant, false);
          } else if (comes && !admission.enter(tenant, 0)) inside.push(tenant);
          expect(inside.length).toBeLessThanOrEqual(limits.pending);
        }
        for (const tenant of inside) admission.leave(tenant, false);
        for (let i = 0; i < 8; i++) expect(admission.enter('d', 0)).toBeUndefined();
      }),
    );
  });
});
