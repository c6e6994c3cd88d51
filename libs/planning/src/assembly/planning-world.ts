import type { NormalizedPolicies, RegisteredCapability, RegistrySnapshot, TaskEnvelope } from '@flex/contracts';
import { costRange, scoreCapability, type Score } from '../selection/score-capability.js';
import { defaultSelection, type SelectionSettings } from '../selection/selection-settings.js';
import { wantedTraits, type WantedTraits } from '../selection/wanted-traits.js';
import { envelopeFacets } from '../validation/envelope-facets.js';
import { reachAll, rowOf } from './compose.js';
import { UNREACHED, type Reachability } from './forward-reachability.js';
import { indexRegistry, type RegistryIndex } from './registry-index.js';

/** The parts of an envelope that planning looks at. */
export type PlannedEnvelope = Pick<
  TaskEnvelope,
  'objective' | 'inputs' | 'constraints' | 'outputContract' | 'specialInstructions' | 'goalConditions' | 'metadata'
>;

export interface WorldQuestion {
  readonly envelope: PlannedEnvelope;
  readonly policies: NormalizedPolicies;
  readonly snapshot: RegistrySnapshot;
  /** Facets that the run has beyond the envelope's inputs. */
  readonly available?: readonly string[];
  /** Capabilities not to be used. */
  readonly exclude?: readonly string[];
  readonly settings?: SelectionSettings;
}

/** What one planning question is about, in the terms of the registry index: what there is, what may be used, how good it is. */
export class PlanningWorld {
  readonly index: RegistryIndex;
  readonly settings: SelectionSettings;
  readonly available: ReadonlySet<string>;
  readonly provided: readonly number[];
  /** 1 for each capability that may be used at all: active, not forbidden, not excluded. */
  readonly allowed: Uint8Array;
  readonly reach: Reachability;
  readonly traits: WantedTraits;
  private readonly scores = new Map<number, Score>();
  private readonly ranges: ReturnType<typeof costRange>;
  /** Facets that the plan wants; set once they are known, before anything is scored. */
  private useful: ReadonlySet<number> | undefined;

  constructor(readonly question: WorldQuestion) {
    const { snapshot, envelope, policies } = question;
    this.index = indexRegistry(snapshot);
    this.settings = question.settings ?? defaultSelection;
    this.available = new Set([...envelopeFacets(envelope, snapshot).keys(), ...(question.available ?? [])]);
    this.provided = [...this.available].flatMap((name) => this.index.facetIds.get(name) ?? []);
    this.allowed = this.usable();
    this.reach = reachAll(this.index, this.provided, this.allowed);
    this.traits = wantedTraits(envelope, policies, this.reached());
    this.ranges = costRange(this.reached());
  }

  private usable(): Uint8Array {
    const { policies, exclude } = this.question;
    const barred = new Set([...policies.planner.selection.forbid, ...(exclude ?? [])]);
    const kinds = new Set<string>(policies.planner.topology.forbiddenKinds ?? []);
    const allowed = new Uint8Array(this.index.capabilities.length);
    for (let number = 0; number < allowed.length; number += 1) {
      const { status, capabilityId, kind } = this.index.capabilities[number]!;
      if (status === 'active' && !barred.has(capabilityId) && !kinds.has(kind)) allowed[number] = 1;
    }
    return allowed;
  }

  *reached(): Generator<RegisteredCapability> {
    const { capabilityLayer } = this.reach;
    for (let capability = 0; capability < capabilityLayer.length; capability += 1)
      if (capabilityLayer[capability]! < UNREACHED) yield this.index.capabilities[capability]!;
  }

  capability(number: number): RegisteredCapability {
    return this.index.capabilities[number]!;
  }

  numberOf(capabilityId: string): number | undefined {
    return this.index.capabilityNumbers.get(capabilityId);
  }

  /** Whether a facet is there or can be made; the layer after which, UNREACHED if not. */
  layerOfFacet(name: string): number {
    const facet = this.index.facetIds.get(name);
    return facet === undefined ? UNREACHED : this.reach.facetLayer[facet]!;
  }

  /** A facet with all that it specialises. */
  lineage(facet: number): number[] {
    const line: number[] = [];
    for (let at = facet; at !== -1; at = this.index.parent[at]!) line.push(at);
    return line;
  }

  /** Whether what a capability writes satisfies a need for a facet. */
  gives(capability: number, facet: number): boolean {
    return rowOf(this.index.outputs, capability).some((output) => this.lineage(output).includes(facet));
  }

  /** The facet that a capability writes for a need of `facet`: that one itself, else the nearest specialisation. */
  writtenFor(capability: number, facet: number): number {
    const outputs = [...rowOf(this.index.outputs, capability)];
    const distance = (output: number): number => {
      const at = this.lineage(output).indexOf(facet);
      return at < 0 ? UNREACHED : at;
    };
    return outputs.sort((a, b) => distance(a) - distance(b))[0]!;
  }

  /** Names the facets that count as useful output: goals, and what reached capabilities read. */
  wants(goals: readonly number[]): void {
    const useful = new Set(goals);
    const { requiredInputs, optionalInputs } = this.index;
    for (let capability = 0; capability < this.reach.capabilityLayer.length; capability += 1) {
      if (this.reach.capabilityLayer[capability]! >= UNREACHED) continue;
      for (const rows of [requiredInputs, optionalInputs])
        for (const facet of rowOf(rows, capability)) useful.add(facet);
    }
    this.useful = useful;
    this.scores.clear();
  }

  score(capability: number): Score {
    let score = this.scores.get(capability);
    if (score === undefined) {
      const { facetIds } = this.index;
      const judged = this.capability(capability);
      score = scoreCapability(judged, {
        wanted: this.traits,
        policies: this.question.policies,
        settings: this.settings,
        // A validator's use is its judgement, whoever reads it.
        isUseful: (facet) => judged.kind === 'validation' || this.isUseful(facetIds.get(facet)!),
        isAvailable: (facet) => this.layerOfFacet(facet) < UNREACHED,
        range: this.ranges,
      });
      this.scores.set(capability, score);
    }
    return score;
  }

  private isUseful(facet: number): boolean {
    return this.useful === undefined || this.lineage(facet).some((one) => this.useful!.has(one));
  }
}
