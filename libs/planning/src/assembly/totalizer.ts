import { negated, positive, type ClauseSolver, type Literal } from './clause-solver.js';

/** Counts how many of some literals are true, in unary: output k is true when at least k + 1 of them are (Bailleux, Boufkhad 2003). */
export class Totalizer {
  private readonly outputs: readonly Literal[];

  constructor(
    private readonly solver: ClauseSolver,
    inputs: readonly Literal[],
  ) {
    this.outputs = this.build(inputs);
  }

  /** The literal that says "at most this many"; undefined when that always holds. */
  atMost(count: number): Literal | undefined {
    const output = this.outputs[count];
    return output === undefined ? undefined : negated(output);
  }

  private build(inputs: readonly Literal[]): readonly Literal[] {
    if (inputs.length <= 1) return inputs;
    const middle = inputs.length >> 1;
    const left = this.build(inputs.slice(0, middle));
    const right = this.build(inputs.slice(middle));
    const outputs = inputs.map(() => positive(this.solver.addVariable()));
    for (let fromLeft = 0; fromLeft <= left.length; fromLeft += 1) {
      for (let fromRight = 0; fromRight <= right.length; fromRight += 1) {
        if (fromLeft + fromRight === 0) continue;
        const clause = [outputs[fromLeft + fromRight - 1]!];
        if (fromLeft > 0) clause.push(negated(left[fromLeft - 1]!));
        if (fromRight > 0) clause.push(negated(right[fromRight - 1]!));
        this.solver.addClause(clause);
      }
    }
    return outputs;
  }
}
