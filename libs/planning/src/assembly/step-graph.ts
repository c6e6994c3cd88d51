import type { DraftNode, JsonSchema, Mapping, NodeKind, RegisteredCapability, Selection } from '@flex/contracts';

/** One node of a plan in the making. */
export interface Step {
  id: string;
  kind: NodeKind;
  label: string;
  capability?: RegisteredCapability;
  /** Used although it covers only part, or fits badly: the share of what is wanted that it covers. */
  derived?: { coverage: number };
  /** Facet read -> ids of the steps that give it; empty for what the run has from the start. */
  reads: Map<string, Set<string>>;
  /** Facets written, of which others may read specialisations' parents. */
  writes: string[];
  /** Steps to wait for without reading from them. */
  after: Set<string>;
  /** Conditions on edges into this step, by the step that they come from. */
  conditions: Map<string, NonNullable<NonNullable<DraftNode['routes']>[number]['condition']>>;
  rationale: string[];
  instruction?: string;
  inputs?: DraftNode['inputs'];
  mapping?: Record<string, Mapping>;
  fallback: string[];
  branchId?: string;
  selection?: Selection;
  /** Part of the plan before: it is there to be read from, and not drafted again. */
  standing?: boolean;
}

export type { JsonSchema };

/** Steps by id, in the order in which they were added. */
export class StepGraph {
  readonly steps = new Map<string, Step>();

  constructor(
    /** Ids that nodes of the plan before have and new ones may not get; a new node of that name gets the suffix. */
    private readonly reserved: ReadonlySet<string> = new Set(),
    private readonly suffix: string = '',
  ) {}

  /** The id itself, or with the suffix where the plan before has a node of that id. */
  freeId(id: string): string {
    let free = id;
    while (this.reserved.has(free)) free += this.suffix;
    return free;
  }

  /** Adds a step; its id changes where it isn't free. */
  add(given: Pick<Step, 'id' | 'kind' | 'label'> & Partial<Step>): Step {
    const step = { ...given, id: given.standing === true ? given.id : this.freeId(given.id) };
    const complete: Step = {
      reads: new Map(),
      writes: [],
      after: new Set(),
      conditions: new Map(),
      rationale: [],
      fallback: [],
      ...step,
    };
    this.steps.set(step.id, complete);
    return complete;
  }

  get(id: string): Step {
    return this.steps.get(id)!;
  }

  /** The steps to be drafted. */
  get drafted(): Step[] {
    return [...this.steps.values()].filter((step) => step.standing !== true);
  }

  /** Everything that a step waits for directly. */
  before(step: Step): Set<string> {
    const ids = new Set(step.after);
    for (const from of step.reads.values()) for (const id of from) ids.add(id);
    return ids;
  }

  /** Steps that read a facet from a step. */
  readersOf(id: string): Step[] {
    return [...this.steps.values()].filter((step) => [...step.reads.values()].some((from) => from.has(id)));
  }

  /** Everything that waits for a step, directly or not. */
  descendants(id: string): Set<string> {
    const waiting = new Map<string, string[]>();
    for (const step of this.steps.values())
      for (const before of this.before(step)) {
        const known = waiting.get(before);
        if (known === undefined) waiting.set(before, [step.id]);
        else known.push(step.id);
      }
    const seen = new Set<string>();
    const queue = [id];
    for (const at of queue)
      for (const after of waiting.get(at) ?? [])
        if (!seen.has(after)) {
          seen.add(after);
          queue.push(after);
        }
    return seen;
  }

  /** Nodes on the longest path, standing ones not counted. */
  depth(): number {
    const depths = new Map<string, number>();
    const open = new Set<string>();
    const depthOf = (id: string): number => {
      const known = depths.get(id);
      if (known !== undefined) return known;
      const step = this.steps.get(id);
      if (step === undefined || open.has(id)) return 0;
      open.add(id);
      let deepest = 0;
      for (const before of this.before(step)) deepest = Math.max(deepest, depthOf(before));
      open.delete(id);
      const depth = deepest + (step.standing === true ? 0 : 1);
      depths.set(id, depth);
      return depth;
    };
    let longest = 0;
    for (const id of this.steps.keys()) longest = Math.max(longest, depthOf(id));
    return longest;
  }

  remove(id: string): void {
    this.steps.delete(id);
    for (const step of this.steps.values()) {
      step.after.delete(id);
      step.conditions.delete(id);
      for (const providers of step.reads.values()) providers.delete(id);
    }
  }
}
