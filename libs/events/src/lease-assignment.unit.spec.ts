import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { assignPartitions } from './lease-assignment.js';

const members = fc.uniqueArray(fc.string({ minLength: 1 }), { minLength: 1, maxLength: 12 });

describe('assigning partitions', () => {
  it('gives each partition to exactly one member, in fair shares, whatever the order of the list', () => {
    fc.assert(
      fc.property(members, fc.integer({ min: 1, max: 64 }), (owners, partitions) => {
        const assignment = assignPartitions(partitions, owners);
        const all = [...assignment.values()].flat().sort((a, b) => a - b);
        expect(all).toEqual(Array.from({ length: partitions }, (_, p) => p));
        const sizes = [...assignment.values()].map(({ length }) => length);
        expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
        expect(assignPartitions(partitions, [...owners].reverse())).toEqual(assignment);
      }),
    );
  });

  it('has nobody to give to when there is nobody', () => {
    expect(assignPartitions(4, []).size).toBe(0);
  });

  it('moves little when a member comes', () => {
    const before = assignPartitions(64, ['a', 'b', 'c']);
    const after = assignPartitions(64, ['a', 'b', 'c', 'd']);
    const kept = ['a', 'b', 'c'].flatMap((owner) =>
      (after.get(owner) ?? []).filter((partition) => before.get(owner)?.includes(partition)),
    );
    expect(kept.length).toBeGreaterThanOrEqual(36);
  });
});
