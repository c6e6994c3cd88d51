import type { Json, NodeKind, RegisteredCapability } from '@flex/contracts';
import { rowOf } from './compose.js';
import type { PlanningWorld } from './planning-world.js';
import { StepGraph, type Step } from './step-graph.js';

/** A node of the plan before that stays: finished, or on its way. */
export interface StandingNode {
  readonly id: string;
  readonly writes: readonly string[];
  readonly kind?: NodeKind;
  readonly branchId?: string;
}

/** The part of a plan that is there already. */
export interface Ground {
  readonly standing: readonly StandingNode[];
  /** Finished nodes whose work is done again: it is no longer what counts, but may be looked at. */
  readonly superseded: readonly StandingNode[];
  /** Nodes of branches that aren't planned again: part of the answer, but nobody else reads from them. */
  readonly beside: readonly StandingNode[];
  /** Ids that new nodes can't have, and what they get instead: the id with this suffix. */
  readonly reserved: ReadonlySet<string>;
  readonly suffix: string;
}

export const emptyGround: Ground = { standing: [], superseded: [], beside: [], reserved: new Set(), suffix: '' };

/** Builds the plan's steps and finds out who reads what from whom. */
export class CoreSteps {
  readonly graph: StepGraph;
  /** Layer of each capability step, by id; a reader's providers lie in lower layers. */
  private readonly layers = new Map<string, number>();

  constructor(
    private readonly world: PlanningWorld,
    readonly ground: Ground,
    /** Facets that the run has from the start, not from a node. */
    private readonly starts: ReadonlySet<string>,
    /** Facets that the run has from its objective: literal values for whoever reads them. */
    private readonly literals: ReadonlyMap<string, Json>,
  ) {
    this.graph = new StepGraph(ground.reserved, ground.suffix);
    for (const node of ground.standing)
      this.graph.add({
        id: node.id,
        kind: node.kind ?? 'execution', label: node.id, standing: true, writes: [...node.writes], branchId: node.branchId }); // prettier-ignore
  }

  /** A step by which a person gives a facet that nothing makes. */
  addGap(facet: string, rationale: readonly string[]): Step {
    const step = this.graph.add({
      id: `fallback:${facet}`,
      kind: 'fallback',
      label: `A person provides ${this.titleOf(facet)}`,
      writes: [facet],
      rationale: [...rationale],
      instruction: `Provide ${this.titleOf(facet)}: nothing registered can.`,
    });
    for (const name of this.starts) {
      if (step.reads.size >= 20) break;
      if (this.world.index.facetIds.has(name)) this.readFromStart(step, name);
    }
    this.layers.set(step.id, 0);
    return step;
  }

  addCapability(capability: number, layer: number): Step {
    const registered = this.world.capability(capability);
    const step = this.graph.add({
      id: registered.capabilityId,
      kind: registered.kind,
      label: registered.displayName,
      capability: registered,
      writes: [...registered.outputFacets],
    });
    this.layers.set(step.id, layer);
    return step;
  }

  /** Connects a capability step with who gives what it reads. Call when all steps are there. */
  connect(step: Step): void {
    const capability = this.world.numberOf(step.capability!.capabilityId)!;
    for (const facet of rowOf(this.world.index.requiredInputs, capability)) this.read(step, facet);
    for (const facet of rowOf(this.world.index.optionalInputs, capability)) {
      if (this.canRead(step, facet)) this.read(step, facet);
      else this.lookAt(step, facet);
    }
  }

  /** What another capability reads when it does a step's work. */
  readsInPlaceOf(step: Step, capability: RegisteredCapability): Step['reads'] {
    const other: Step = { ...step, capability, reads: new Map() };
    this.connect(other);
    return other.reads;
  }

  /** Lets a step see what finished nodes made of a facet before: a rewrite reads the findings on what it rewrites. */
  private lookAt(step: Step, facet: number): void {
    const before = this.ground.superseded.filter((node) =>
      node.writes.some((written) => this.lineageOf(written).includes(facet)),
    );
    if (before.length === 0) return;
    for (const node of before)
      if (!this.graph.steps.has(node.id)) this.graph.add({ id: node.id, kind: 'execution', label: node.id, standing: true, branchId: node.branchId }); // prettier-ignore
    step.reads.set(this.world.index.facetNames[facet]!, new Set(before.map((node) => node.id)));
  }

  /** Steps that can give a facet to a reader in a layer: the last ones before it that themselves refine the facet, else the first. */
  providers(facet: number, before: number, except?: string): string[] {
    const able = [...this.graph.steps.values()].filter(
      (step) => step.id !== except && this.layerOf(step) < before && this.stepGives(step, facet),
    );
    const drafted = able.filter((step) => step.standing !== true);
    if (drafted.length === 0) return this.lastStanding(able);
    const refining = drafted.filter((step) =>
      [...step.reads.keys()].some((read) => this.lineageOf(read).includes(facet)),
    );
    const pool = refining.length > 0 ? refining.reverse() : drafted;
    return [pool[0]!.id];
  }

  /** Nodes of other branches that give a facet of the answer. */
  beside(facet: number): string[] {
    const giving = this.ground.beside.filter((node) =>
      node.writes.some((written) => this.lineageOf(written).includes(facet)),
    );
    for (const node of giving)
      if (!this.graph.steps.has(node.id)) this.graph.add({ id: node.id, kind: node.kind ?? 'execution', label: node.id, standing: true, branchId: node.branchId }); // prettier-ignore
    return giving.map((node) => node.id);
  }

  /** Of the nodes that stand, the last that gave it in each branch. */
  private lastStanding(able: readonly Step[]): string[] {
    const byBranch = new Map<string | undefined, string>();
    for (const step of able) byBranch.set(step.branchId, step.id);
    return [...byBranch.values()];
  }

  private layerOf(step: Step): number {
    return step.standing === true ? -1 : (this.layers.get(step.id) ?? 0);
  }

  stepGives(step: Step, facet: number): boolean {
    return step.writes.some((written) => this.lineageOf(written).includes(facet));
  }

  private lineageOf(name: string): number[] {
    const facet = this.world.index.facetIds.get(name);
    return facet === undefined ? [] : this.world.lineage(facet);
  }

  private read(step: Step, facet: number): void {
    const name = this.world.index.facetNames[facet]!;
    const from = this.providers(facet, this.layers.get(step.id) ?? Infinity, step.id);
    if (from.length === 0 || (this.startsWith(facet) && !from.some((id) => this.graph.get(id).standing === true)))
      this.readFromStart(step, name);
    else step.reads.set(name, new Set(from));
  }

  private startsWith(facet: number): boolean {
    for (const name of this.starts) if (this.lineageOf(name).includes(facet)) return true;
    return false;
  }

  /** Whether the run has a facet from the start. */
  startsWithName(name: string): boolean {
    const facet = this.world.index.facetIds.get(name);
    return facet !== undefined && this.startsWith(facet);
  }

  private canRead(step: Step, facet: number): boolean {
    return this.startsWith(facet) || this.providers(facet, this.layers.get(step.id) ?? Infinity, step.id).length > 0;
  }

  readFromStart(step: Step, name: string): void {
    step.reads.set(name, new Set());
    const literal = this.literals.get(name);
    if (literal !== undefined) step.inputs = { ...step.inputs, [name]: literal };
  }

  /** A person's context is what was given: a facet that the plan itself makes anew is left out of it, nobody waits for that. */
  trimContext(): void {
    for (const step of this.graph.drafted) {
      if (step.kind !== 'fallback') continue;
      for (const [name, from] of step.reads) {
        const facet = this.world.index.facetIds.get(name);
        if (from.size > 0 || facet === undefined) continue;
        if (this.graph.drafted.some((other) => other !== step && this.stepGives(other, facet))) step.reads.delete(name);
      }
    }
  }

  titleOf(facet: string): string {
    return this.world.question.snapshot.facets.get(facet)?.title ?? facet;
  }

  /**
   * Steps write only what is theirs: where somebody reads a facet from another step and nobody reads it from this one, this one
   * doesn't write it, so that equal facets of two steps don't run together.
   */
  trimWrites(goalProviders: ReadonlyMap<string, readonly string[]>): void {
    const readFrom = new Map<string, Set<string>>();
    const note = (facet: string, ids: Iterable<string>): void => {
      const known = readFrom.get(facet) ?? new Set();
      for (const id of ids) known.add(id);
      readFrom.set(facet, known);
    };
    for (const step of this.graph.steps.values()) for (const [facet, ids] of step.reads) note(facet, ids);
    for (const [facet, ids] of goalProviders) note(facet, ids);
    for (const step of this.graph.drafted) {
      if (step.capability === undefined) continue;
      const kept = step.writes.filter((written) => {
        const names = this.lineageOf(written).map((facet) => this.world.index.facetNames[facet]!);
        const readers = names.map((name) => readFrom.get(name)).filter((ids) => ids !== undefined && ids.size > 0);
        return readers.length === 0 || readers.some((ids) => ids!.has(step.id));
      });
      if (kept.length > 0) step.writes = kept;
    }
  }
}
