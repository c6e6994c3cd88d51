export interface NamedBranch {
  label: string;
  rationale?: string;
}

/** The branch that a node belongs to, as its instruction names it. */
export function branchOf(instruction: string): NamedBranch | undefined {
  const found = /^Branch "([^"\n]+)"(?:: (.+))?$/m.exec(instruction);
  return found ? { label: found[1]!, ...(found[2] ? { rationale: found[2] } : {}) } : undefined;
}

/** Number of variants that the client asked for throughout the run. */
export function variantCountOf(instruction: string): number | undefined {
  const found = /^Number of variants: exactly (\d+)\.$/m.exec(instruction);
  return found ? Number(found[1]) : undefined;
}
