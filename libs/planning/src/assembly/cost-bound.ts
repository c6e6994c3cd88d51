import type { Literal } from './clause-solver.js';

/** The one linear constraint of the solver: the cost of all true variables stays below a bound. */
export class CostBound {
  private readonly cost: number[] = [];
  private readonly costly: number[] = [];
  private highest = 0;
  private paid = 0;
  private bound = Infinity;
  /** The sum or its bound changed since the bound was last followed. */
  private changed = true;

  add(variable: number, cost: number): void {
    this.cost.push(cost);
    if (cost === 0) return;
    this.costly.push(variable);
    this.highest = Math.max(this.highest, cost);
  }

  limit(below: number): void {
    this.bound = below;
    this.changed = true;
  }

  pay(literal: Literal): void {
    if ((literal & 1) === 1 || this.cost[literal >> 1] === 0) return;
    this.paid += this.cost[literal >> 1]!;
    this.changed = true;
  }

  refund(literal: Literal): void {
    if ((literal & 1) === 0) this.paid -= this.cost[literal >> 1]!;
    this.changed = true;
  }

  /** Whether there may be something to follow. */
  get pending(): boolean {
    return this.changed && this.paid + this.highest >= this.bound;
  }

  get exceeded(): boolean {
    return this.paid >= this.bound;
  }

  /** Variables that there is no room for any more. */
  *unaffordable(): Generator<number> {
    this.changed = false;
    for (const variable of this.costly) if (this.paid + this.cost[variable]! >= this.bound) yield variable;
  }

  /** The negations of all true variables with a cost among the first assignments of a trail. */
  paidFor(trail: readonly Literal[], before: number): Literal[] {
    const result: Literal[] = [];
    for (let at = 0; at < before; at += 1) {
      const literal = trail[at]!;
      if ((literal & 1) === 0 && this.cost[literal >> 1]! > 0) result.push(literal ^ 1);
    }
    return result;
  }
}
