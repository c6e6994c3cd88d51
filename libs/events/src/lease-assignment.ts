/**
 * Who should work which partition: every replica computes the same from the same list of members. Each gets the floor
 * or the ceiling of its share; as little as possible moves when one comes or goes (highest random weight, capped).
 */
export function assignPartitions(partitions: number, members: readonly string[]): Map<string, number[]> {
  const owners = [...new Set(members)].sort();
  const assignment = new Map<string, number[]>(owners.map((owner) => [owner, []]));
  if (owners.length === 0) return assignment;
  const floor = Math.floor(partitions / owners.length);
  let extra = partitions - floor * owners.length;
  for (const { owner, partition } of preferences(partitions, owners)) {
    const mine = assignment.get(owner) ?? [];
    if (taken(assignment, partition)) continue;
    if (mine.length < floor) mine.push(partition);
    else if (mine.length === floor && extra > 0) {
      mine.push(partition);
      extra -= 1;
    }
  }
  for (const mine of assignment.values()) mine.sort((a, b) => a - b);
  return assignment;
}

/** All pairs, the strongest preference first. */
function preferences(partitions: number, owners: string[]): { owner: string; partition: number; weight: number }[] {
  const pairs = owners.flatMap((owner) =>
    Array.from({ length: partitions }, (_, partition) => ({ owner, partition, weight: hash(`${owner}/${partition}`) })),
  );
  return pairs.sort((a, b) => b.weight - a.weight || a.partition - b.partition || (a.owner < b.owner ? -1 : 1));
}

function taken(assignment: Map<string, number[]>, partition: number): boolean {
  for (const mine of assignment.values()) if (mine.includes(partition)) return true;
  return false;
}

/** FNV-1a with a final mix, so that neighbouring numbers differ in the high bits too. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}
