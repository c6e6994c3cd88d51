import { ActivityOrder, luby } from './activity-order.js';
import { CostBound } from './cost-bound.js';

/**
 * Satisfiability of clauses under a bound on cost: conflict-driven clause learning with two watched literals, activity-driven
 * decisions, restarts, assumptions with cores, and one linear constraint (the cost of all true variables stays below `bound`).
 *
 * A literal is 2·v for variable v and 2·v + 1 for its negation. Deterministic.
 */
export type Literal = number;
export const positive = (variable: number): Literal => variable << 1;
export const negated = (literal: Literal): Literal => literal ^ 1;

interface Clause {
  readonly literals: Literal[];
  readonly learnt: boolean;
  /** How many decision levels met when it was learnt; few is good. */
  readonly glue: number;
  deleted: boolean;
}

/** Assigned because the cost bound leaves no room. */
const BY_COST = Symbol('by cost');
type Reason = Clause | typeof BY_COST | undefined;

export type Answer = 'satisfiable' | 'unsatisfiable' | 'unknown';

export class ClauseSolver {
  /** After `satisfiable`: 1 for each true variable. */
  model = new Uint8Array(0);
  /** After `unsatisfiable` under assumptions: those of them that contradict the clauses together; empty: the clauses do alone. */
  core: Literal[] = [];

  private readonly value: number[] = []; // by literal: 1 true, -1 false, 0 open
  private readonly level: number[] = [];
  private readonly reason: Reason[] = [];
  private readonly place: number[] = []; // by variable: position on the trail
  private readonly phase: number[] = [];
  private readonly watches: Clause[][] = [];
  private readonly cost = new CostBound();
  private readonly seen: number[] = [];
  private readonly order = new ActivityOrder();
  private readonly trail: Literal[] = [];
  private readonly levelStart: number[] = [];
  private learnts: Clause[] = [];
  private head = 0;
  private contradictory = false;
  private learntLimit = 3000;

  addVariable(cost = 0): number {
    const variable = this.level.length;
    this.value.push(0, 0);
    this.watches.push([], []);
    this.level.push(0);
    this.reason.push(undefined);
    this.place.push(0);
    this.phase.push(0);
    this.cost.add(variable, cost);
    this.seen.push(0);
    this.order.add(variable);
    return variable;
  }

  /** Prefers these values where nothing decides otherwise: a good solution to search around. */
  suggest(variable: number, isTrue: boolean): void {
    this.phase[variable] = isTrue ? 1 : 0;
  }

  boundCost(below: number): void {
    this.backtrack(0);
    this.cost.limit(below);
  }

  addClause(literals: readonly Literal[]): void {
    this.backtrack(0);
    const open: Literal[] = [];
    for (const literal of literals) {
      if (this.value[literal] === 1) return;
      if (this.value[literal] === 0 && !open.includes(literal)) open.push(literal);
    }
    if (open.length === 0) this.contradictory = true;
    else if (open.length === 1) this.assign(open[0]!, undefined);
    else this.attach({ literals: open, learnt: false, glue: 0, deleted: false });
  }

  solve(assumptions: readonly Literal[], conflictLimit: number, exhausted: () => boolean): Answer {
    this.core = [];
    this.backtrack(0);
    if (this.contradictory) return 'unsatisfiable';
    let conflicts = 0;
    let restartAt = 0;
    let restarts = 0;
    for (;;) {
      const conflict = this.propagate();
      if (conflict !== undefined) {
        if (this.levelStart.length === 0) {
          this.contradictory = true;
          return 'unsatisfiable';
        }
        conflicts += 1;
        this.learnFrom(conflict);
        if ((conflicts & 63) === 0 && exhausted()) return 'unknown';
        continue;
      }
      if (conflicts >= conflictLimit) return 'unknown';
      if (conflicts >= restartAt) {
        restarts += 1;
        restartAt = conflicts + 60 * luby(restarts);
        this.backtrack(0);
        if (this.learnts.length > this.learntLimit) this.forgetSome();
        if (exhausted()) return 'unknown';
      }
      const next = this.nextAssumption(assumptions);
      if (next === 'failed') return 'unsatisfiable';
      const decision = next ?? this.pickBranch();
      if (decision === undefined) {
        this.model = Uint8Array.from(this.level, (_, variable) => (this.value[positive(variable)] === 1 ? 1 : 0));
        this.backtrack(0);
        return 'satisfiable';
      }
      this.levelStart.push(this.trail.length);
      if (this.value[decision] === 0) this.assign(decision, undefined);
    }
  }

  private nextAssumption(assumptions: readonly Literal[]): Literal | 'failed' | undefined {
    while (this.levelStart.length < assumptions.length) {
      const literal = assumptions[this.levelStart.length]!;
      if (this.value[literal] === -1) {
        this.core = this.coreOf(literal);
        return 'failed';
      }
      if (this.value[literal] === 0) return literal;
      this.levelStart.push(this.trail.length);
    }
    return undefined;
  }

  private attach(clause: Clause): void {
    this.watches[clause.literals[0]!]!.push(clause);
    this.watches[clause.literals[1]!]!.push(clause);
  }

  private assign(literal: Literal, reason: Reason): void {
    const variable = literal >> 1;
    this.value[literal] = 1;
    this.value[literal ^ 1] = -1;
    this.level[variable] = this.levelStart.length;
    this.reason[variable] = reason;
    this.place[variable] = this.trail.length;
    this.trail.push(literal);
    this.cost.pay(literal);
  }

  private backtrack(level: number): void {
    if (this.levelStart.length <= level) return;
    const start = this.levelStart[level]!;
    for (let at = this.trail.length - 1; at >= start; at -= 1) {
      const literal = this.trail[at]!;
      const variable = literal >> 1;
      this.value[literal] = 0;
      this.value[literal ^ 1] = 0;
      this.phase[variable] = (literal & 1) ^ 1;
      this.cost.refund(literal);
      this.order.insert(variable);
    }
    this.trail.length = start;
    this.levelStart.length = level;
    this.head = start;
  }

  /** Follows all consequences; returns the literals of a violated clause, all false, if there is one. */
  private propagate(): readonly Literal[] | undefined {
    while (this.head < this.trail.length || this.cost.pending) {
      if (this.head === this.trail.length) {
        const conflict = this.propagateCost();
        if (conflict !== undefined) return conflict;
        continue;
      }
      const falsified = this.trail[this.head]! ^ 1;
      this.head += 1;
      const watching = this.watches[falsified]!;
      let keep = 0;
      for (let at = 0; at < watching.length; at += 1) {
        const clause = watching[at]!;
        if (clause.deleted) continue;
        const literals = clause.literals;
        if (literals[0] === falsified) {
          literals[0] = literals[1]!;
          literals[1] = falsified;
        }
        const first = literals[0]!;
        if (this.value[first] === 1) {
          watching[keep] = clause;
          keep += 1;
          continue;
        }
        let moved = false;
        for (let other = 2; other < literals.length; other += 1) {
          const literal = literals[other]!;
          if (this.value[literal] === -1) continue;
          literals[1] = literal;
          literals[other] = falsified;
          this.watches[literal]!.push(clause);
          moved = true;
          break;
        }
        if (moved) continue;
        watching[keep] = clause;
        keep += 1;
        if (this.value[first] === -1) {
          for (at += 1; at < watching.length; at += 1) {
            watching[keep] = watching[at]!;
            keep += 1;
          }
          watching.length = keep;
          this.head = this.trail.length;
          return literals;
        }
        this.assign(first, clause);
      }
      watching.length = keep;
    }
    return undefined;
  }

  /** Rules out what the bound leaves no room for. */
  private propagateCost(): readonly Literal[] | undefined {
    if (this.cost.exceeded) return this.cost.paidFor(this.trail, this.trail.length);
    for (const variable of this.cost.unaffordable())
      if (this.value[variable << 1] === 0) this.assign((variable << 1) | 1, BY_COST);
    return undefined;
  }

  /** The false literals that made a variable's assignment necessary (the literal itself may be among them). */
  private antecedents(variable: number): readonly Literal[] {
    const reason = this.reason[variable];
    if (reason === undefined) return [];
    return reason === BY_COST ? this.cost.paidFor(this.trail, this.place[variable]!) : reason.literals;
  }

  private learnFrom(conflict: readonly Literal[]): void {
    // A cost conflict may involve no literal of the current level: then the conflict belongs to an earlier one.
    let highest = 0;
    for (const literal of conflict) highest = Math.max(highest, this.level[literal >> 1]!);
    this.backtrack(highest);
    if (highest === 0) {
      this.contradictory = true;
      return;
    }
    const learnt: Literal[] = [0];
    const marked: number[] = [];
    let open = 0;
    let at = this.trail.length - 1;
    let literals = conflict;
    let resolved = -1;
    for (;;) {
      for (const literal of literals) {
        const variable = literal >> 1;
        if (variable === resolved || this.seen[variable] === 1 || this.level[variable] === 0) continue;
        this.seen[variable] = 1;
        marked.push(variable);
        this.order.bump(variable);
        if (this.level[variable] === highest) open += 1;
        else learnt.push(literal);
      }
      while (this.seen[this.trail[at]! >> 1] === 0) at -= 1;
      resolved = this.trail[at]! >> 1;
      open -= 1;
      if (open === 0) break;
      literals = this.antecedents(resolved);
      at -= 1;
    }
    learnt[0] = this.trail[at]! ^ 1;
    const kept = [learnt[0], ...learnt.slice(1).filter((literal) => !this.redundant(literal))];
    for (const variable of marked) this.seen[variable] = 0;
    this.order.decay();

    let second = 1;
    for (let other = 2; other < kept.length; other += 1)
      if (this.level[kept[other]! >> 1]! > this.level[kept[second]! >> 1]!) second = other;
    if (kept.length === 1) {
      this.backtrack(0);
      if (this.value[kept[0]!] === -1) this.contradictory = true;
      else if (this.value[kept[0]!] === 0) this.assign(kept[0]!, undefined);
      return;
    }
    [kept[1], kept[second]] = [kept[second]!, kept[1]!];
    const glue = new Set(kept.map((literal) => this.level[literal >> 1]!)).size;
    this.backtrack(this.level[kept[1]! >> 1]!);
    const clause: Clause = { literals: kept, learnt: true, glue, deleted: false };
    this.attach(clause);
    this.learnts.push(clause);
    this.assign(kept[0]!, clause);
  }

  /** Follows from the other literals of the clause being learnt. */
  private redundant(literal: Literal): boolean {
    const variable = literal >> 1;
    if (this.reason[variable] === undefined || this.reason[variable] === BY_COST) return false;
    return this.antecedents(variable).every(
      (other) => other >> 1 === variable || this.seen[other >> 1] === 1 || this.level[other >> 1] === 0,
    );
  }

  /** The assumptions that falsified an assumption. */
  private coreOf(failed: Literal): Literal[] {
    const core = [failed];
    const marked = new Set([failed >> 1]);
    for (let at = this.trail.length - 1; at >= (this.levelStart[0] ?? 0); at -= 1) {
      const literal = this.trail[at]!;
      const variable = literal >> 1;
      if (!marked.has(variable)) continue;
      if (this.reason[variable] === undefined) {
        core.push(literal);
        continue;
      }
      for (const other of this.antecedents(variable)) if (this.level[other >> 1]! > 0) marked.add(other >> 1);
    }
    return [...new Set(core)];
  }

  private forgetSome(): void {
    this.learnts.sort((a, b) => a.glue - b.glue || a.literals.length - b.literals.length);
    const keep = this.learnts.length >> 1;
    const kept: Clause[] = [];
    this.learnts.forEach((clause, at) => {
      const locked = this.reason[clause.literals[0]! >> 1] === clause && this.value[clause.literals[0]!] === 1;
      if (at < keep || clause.glue <= 2 || locked) kept.push(clause);
      else clause.deleted = true;
    });
    this.learnts = kept;
    this.learntLimit += 300;
  }

  private pickBranch(): Literal | undefined {
    for (let variable = this.order.pop(); variable !== undefined; variable = this.order.pop())
      if (this.value[variable << 1] === 0) return (variable << 1) | (this.phase[variable] === 1 ? 0 : 1);
    return undefined;
  }
}
