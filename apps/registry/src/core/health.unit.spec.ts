import fc from 'fast-check';
import { healthAfterLoss, healthOf, nextHealth, withCalls } from './health.js';

const MINUTE = 60_000;
const none = { succeeded: 0, failed: 0 };
const count = fc.nat({ max: 10_000 });
const report = fc.record({ succeeded: count, failed: count, after: fc.nat({ max: 60 * MINUTE }) });

describe('the health of a capability', () => {
  it('is the share of recent calls that went well, with some credit', () => {
    expect(healthOf(none)).toBe(1);
    expect(healthOf({ succeeded: 0, failed: 1 })).toBe(0.75);
    expect(healthOf({ succeeded: 0, failed: 9 })).toBe(0.25);
    expect(healthOf({ succeeded: 27, failed: 30 })).toBe(0.5);
  });

  it('lets a call count half after five minutes', () => {
    const calls = withCalls({ succeeded: 8, failed: 4, at: 0 }, none, 5 * MINUTE);
    expect(calls).toEqual({ succeeded: 4, failed: 2, at: 5 * MINUTE });
  });

  it('notices within fifty calls that somebody busy fails now, and that they are well again', () => {
    const good = withCalls(undefined, { succeeded: 100_000, failed: 0 }, 0);
    const failing = withCalls(good, { succeeded: 0, failed: 50 }, 1);
    expect(healthOf(failing)).toBeLessThan(0.1);
    expect(healthOf(withCalls(failing, { succeeded: 50, failed: 0 }, 2))).toBe(1);
  });

  it('is told only when it changed materially', () => {
    expect(nextHealth({}, { succeeded: 1000, failed: 0 }, 0)).toBeUndefined();
    expect(nextHealth({}, { succeeded: 47, failed: 1 }, 0)).toBeUndefined();
    expect(nextHealth({}, { succeeded: 0, failed: 1 }, 0)).toMatchObject({ health: 0.75 });
    expect(nextHealth({ health: 0.5, calls: { succeeded: 0, failed: 3, at: 0 } }, undefined, 1)).toBeUndefined();
  });

  it('comes back with time alone, to the full, in few steps', () => {
    let health: ReturnType<typeof nextHealth> = healthAfterLoss({}, 0);
    expect(health).toMatchObject({ health: 0.5 });
    let steps = 0;
    for (let now = 0; now < 120 * MINUTE; now += 5_000) {
      const next = nextHealth(health!, undefined, now);
      if (next) steps += 1;
      health = next ?? health;
    }
    expect(health!.health).toBe(1);
    expect(steps).toBeLessThan(15);
  });

  it('whatever is reported: a number from 0 to 1, and a bounded memory', () => {
    fc.assert(
      fc.property(fc.array(report, { maxLength: 20 }), (reports) => {
        let calls = withCalls(undefined, none, 0);
        for (const { after, ...counts } of reports) {
          calls = withCalls(calls, counts, calls.at + after);
          expect(calls.succeeded + calls.failed).toBeLessThanOrEqual(50.01);
          expect(healthOf(calls)).toBeGreaterThanOrEqual(0);
          expect(healthOf(calls)).toBeLessThanOrEqual(1);
        }
      }),
    );
  });

  it('a clock that goes back ages nothing', () => {
    expect(withCalls({ succeeded: 1, failed: 1, at: 100 }, none, 50)).toEqual({ succeeded: 1, failed: 1, at: 100 });
  });
});
