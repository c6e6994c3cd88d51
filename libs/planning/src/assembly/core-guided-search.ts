import { ClauseSolver, negated, positive, type Answer, type Literal } from './clause-solver.js';
import { costOf, type Composition, type CompositionProblem, type SearchBudget } from './composition-problem.js';
import { reduceProblem } from './composition-reduction.js';
import { withoutSuperfluous } from './greedy-composition.js';
import { Landmarks } from './landmarks.js';
import { layerWindows, type LayerWindows } from './layer-windows.js';
import { producersOf } from './layered-run.js';
import { RepairSearch } from './repair-search.js';
import { Totalizer } from './totalizer.js';

/** How many greedy repairs in a row may fail before something else is tried. */
const REPAIRS = 60;

/**
 * Minimal composition from both sides.
 *
 * "A chosen candidate has each need given by another chosen one that can run before it" is a set of clauses over one variable
 * per candidate. From below, contradictions between the clauses and "choose nothing" (cores) raise a lower bound; from above,
 * solutions cheaper than the best known lower the upper one; when they meet, the composition is proven minimal. What the clauses
 * leave open (cyclic support, chains longer than the depth) is added when a solution shows it: a *landmark*, that is a set of
 * candidates of which every composition contains one.
 */
export class CoreGuidedSearch {
  private readonly solver = new ClauseSolver();
  private readonly landmarks: Landmarks;
  /** What is still assumed for free, and the price of giving it up. */
  private readonly soft = new Map<Literal, number>();
  /** For an assumed limit of a totalizer: which one, so that it can be raised by one. */
  private readonly limitOf = new Map<Literal, { totalizer: Totalizer; atMost: number }>();
  private readonly growthOrder: number[];
  private best: readonly number[];
  private bestCost: number;
  private lowerBound = 0;
  private closed = false;
  private repairs: RepairSearch | undefined;
  private readonly windows: LayerWindows;

  constructor(
    private readonly problem: CompositionProblem,
    first: readonly number[] | undefined,
    costToBeat: number,
    private readonly budget: SearchBudget,
  ) {
    this.growthOrder = [...problem.needs.keys()].sort((a, b) => problem.cost[a]! - problem.cost[b]! || a - b);
    this.windows = layerWindows(problem);
    this.landmarks = new Landmarks(problem, this.windows, this.growthOrder);
    this.best = first ?? [];
    this.bestCost = costToBeat;
  }

  run(): Composition {
    this.addVariables();
    this.addDisjointLandmarks();
    if (this.lowerBound < this.bestCost) {
      this.addSupportClauses();
      this.alternate();
    }
    return {
      chosen: this.best,
      cost: this.bestCost,
      lowerBound: this.closed ? this.bestCost : Math.min(this.lowerBound, this.bestCost),
      proven: this.closed || this.lowerBound >= this.bestCost,
    };
  }

  private readonly exhausted = (): boolean => this.budget.clock() >= this.budget.deadline;

  private get finished(): boolean {
    return this.closed || this.lowerBound >= this.bestCost || this.exhausted();
  }

  private addVariables(): void {
    for (const cost of this.problem.cost) {
      const variable = this.solver.addVariable(cost);
      this.soft.set(negated(positive(variable)), cost);
    }
  }

  /** The first cores come cheaply: landmarks that share no candidate. */
  private addDisjointLandmarks(): void {
    for (const landmark of this.landmarks.disjoint(this.exhausted)) {
      this.solver.addClause(landmark.map(positive));
      this.relax(landmark.map((candidate) => negated(positive(candidate))));
    }
  }

  private addSupportClauses(): void {
    const { problem, solver } = this;
    const producers = producersOf(problem);
    const { earliest, latest } = this.windows;
    for (const goal of problem.goals) solver.addClause(producers[goal]!.map(positive));
    problem.needs.forEach((needs, candidate) => {
      for (const need of needs) {
        const supporters = producers[need]!.filter(
          (other) => other !== candidate && earliest[other]! < latest[candidate]!,
        );
        solver.addClause([negated(positive(candidate)), ...supporters.map(positive)]);
      }
    });
    solver.boundCost(this.bestCost);
  }

  private alternate(): void {
    let patience = 300;
    while (!this.finished) {
      this.raiseLowerBound(patience);
      this.improveByRepair();
      this.improveNearby(patience >> 1);
      this.searchBetter(patience);
      patience = Math.ceil(patience * 1.3);
    }
  }

  /** Looks for something cheaper by mending parts of the best known greedily, until that doesn't help any more. */
  private improveByRepair(): void {
    this.repairs ??= new RepairSearch(this.problem);
    while (!this.finished) {
      const found = this.repairs.improve(this.best, this.bestCost, REPAIRS, this.exhausted);
      if (found === undefined) return;
      this.improve(found);
    }
  }

  /** Gives up assumptions, one core after the other, until that becomes hard. */
  private raiseLowerBound(patience: number): void {
    const { solver } = this;
    while (!this.finished) {
      const answer = solver.solve(this.stratum(), patience, this.exhausted);
      if (answer === 'unknown') return;
      if (answer === 'unsatisfiable') {
        if (solver.core.length === 0) this.closed = true;
        else this.relax(this.minimised(solver.core));
      } else if (this.take(solver.model)) {
        this.lastStratum = Math.min(this.lastStratum / 2, this.heaviestBelow(this.lastStratum));
      }
    }
  }

  /** Looks for anything cheaper than the best known, anywhere. */
  private searchBetter(patience: number): void {
    while (!this.finished) {
      const answer = this.solveAroundBest([], patience);
      if (answer === 'unsatisfiable') this.closed = true;
      if (answer !== 'satisfiable') return;
    }
  }

  /**
   * Looks for something cheaper near the best known: in a stretch of layers everything is open, outside only what the best
   * solution uses. That is a far smaller problem of the same form. Stretches grow as long as they are quickly searched through.
   */
  private improveNearby(patience: number): void {
    const { earliest, latest } = this.windows;
    const { depth } = this.problem;
    for (let stretch = 2; stretch < depth && !this.finished; stretch += 1) {
      let gaveUp = 0;
      let from = 1;
      while (from + stretch - 1 <= depth && !this.finished) {
        const inBest = new Set(this.best);
        const open = this.growthOrder.filter(
          (candidate) => inBest.has(candidate) || (earliest[candidate]! < from + stretch && latest[candidate]! >= from),
        );
        const outcome = this.searchAmong(open, patience);
        if (outcome === 'unknown') gaveUp += 1;
        if (outcome !== 'better') from += Math.max(1, stretch >> 1);
      }
      if (gaveUp * stretch > depth) return;
    }
  }

  private searchAmong(open: readonly number[], patience: number): 'better' | 'none' | 'unknown' {
    const { problem, candidateOf } = reduceProblem({
      ...this.problem,
      needs: open.map((candidate) => this.problem.needs[candidate]!),
      gives: open.map((candidate) => this.problem.gives[candidate]!),
      cost: open.map((candidate) => this.problem.cost[candidate]!),
    });
    const part = new CoreGuidedSearch(problem, undefined, this.bestCost, this.budget);
    const answer = part.findBetter(patience);
    if (answer !== 'satisfiable') return answer === 'unsatisfiable' ? 'none' : 'unknown';
    this.improve(part.best.map((candidate) => open[candidateOf[candidate]!]!));
    return 'better';
  }

  /** Improves on the best known cost as far as patience goes; whether it did, can't be, or is left open. */
  private findBetter(patience: number): Answer {
    this.addVariables();
    this.addSupportClauses();
    const before = this.bestCost;
    while (!this.finished) {
      const answer = this.solver.solve([], patience, this.exhausted);
      if (answer === 'unsatisfiable') this.closed = true;
      if (answer === 'unknown') break;
      if (answer === 'satisfiable') this.take(this.solver.model);
    }
    if (this.bestCost < before) return 'satisfiable';
    return this.closed ? 'unsatisfiable' : 'unknown';
  }

  private solveAroundBest(assumptions: readonly Literal[], patience: number): Answer {
    const { solver } = this;
    for (const candidate of this.growthOrder) solver.suggest(candidate, false);
    for (const candidate of this.best) solver.suggest(candidate, true);
    const answer = solver.solve(assumptions, patience, this.exhausted);
    if (answer === 'satisfiable') this.take(solver.model);
    return answer;
  }

  /** Assumptions are made heaviest first, so that the main part of the cost is settled before the small differences. */
  private lastStratum = Infinity;

  private stratum(): Literal[] {
    if (this.lastStratum === Infinity) this.lastStratum = Math.max(...this.soft.values(), 1) / 2;
    const assumed: Literal[] = [];
    for (const [literal, weight] of this.soft) if (weight >= this.lastStratum) assumed.push(literal);
    return assumed;
  }

  private heaviestBelow(weight: number): number {
    let heaviest = 0;
    for (const other of this.soft.values()) if (other < weight && other > heaviest) heaviest = other;
    return heaviest;
  }

  /** Takes over a solution of the clauses, or learns the landmark that shows it to be none. True for a real one. */
  private take(model: Uint8Array): boolean {
    const chosen = this.growthOrder.filter((candidate) => model[candidate] === 1);
    const landmark = this.landmarks.missedBy(chosen);
    if (landmark !== undefined) {
      this.solver.addClause(landmark.map(positive));
      return false;
    }
    const needed = withoutSuperfluous(this.problem, chosen.reverse());
    this.improve(needed);
    return true;
  }

  private improve(chosen: readonly number[]): void {
    const cost = costOf(this.problem, chosen);
    if (cost >= this.bestCost) return;
    this.best = chosen;
    this.bestCost = cost;
    this.solver.boundCost(cost);
    this.harden();
  }

  /** What would lift the lower bound to the best known cost can't be given up any more. */
  private harden(): void {
    for (const [literal, weight] of [...this.soft]) {
      if (this.lowerBound + weight < this.bestCost) continue;
      this.solver.addClause([literal]);
      this.soft.delete(literal);
    }
  }

  /** A core costs at least its cheapest member; from now on one of them is paid for and the rest is limited in number. */
  private relax(core: readonly Literal[]): void {
    let least = Infinity;
    for (const literal of core) least = Math.min(least, this.soft.get(literal)!);
    this.lowerBound += least;
    for (const literal of core) {
      this.addWeight(literal, -least);
      const limit = this.limitOf.get(literal);
      if (limit !== undefined) this.assumeAtMost(limit.totalizer, limit.atMost + 1, least);
    }
    if (core.length === 1) this.solver.addClause([negated(core[0]!)]);
    else this.assumeAtMost(new Totalizer(this.solver, core.map(negated)), 1, least);
  }

  private assumeAtMost(totalizer: Totalizer, atMost: number, weight: number): void {
    const literal = totalizer.atMost(atMost);
    if (literal === undefined) return;
    this.limitOf.set(literal, { totalizer, atMost });
    this.addWeight(literal, weight);
  }

  private addWeight(literal: Literal, weight: number): void {
    const left = (this.soft.get(literal) ?? 0) + weight;
    if (left > 0) this.soft.set(literal, left);
    else this.soft.delete(literal);
  }

  /** Leaves out of a core what isn't needed for the contradiction, as far as that shows quickly. */
  private minimised(core: readonly Literal[]): readonly Literal[] {
    let kept = core;
    for (const literal of core) {
      if (kept.length <= 1 || this.exhausted()) break;
      if (!kept.includes(literal)) continue;
      const rest = kept.filter((other) => other !== literal);
      if (this.solver.solve(rest, 30, this.exhausted) !== 'unsatisfiable') continue;
      if (this.solver.core.length === 0) return kept;
      kept = this.solver.core;
    }
    return kept;
  }
}
