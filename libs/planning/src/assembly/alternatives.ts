import type { Selection } from '@flex/contracts';
import { isWeak } from './choose-core.js';
import { rowOf } from './compose.js';
import { UNREACHED } from './forward-reachability.js';
import type { PlanningWorld } from './planning-world.js';
import type { Step, StepGraph } from './step-graph.js';

const RUNNERS_UP = 3;

/** Who else could do a step's work in its place, best first: same kind, gives what others read from it, has its inputs. */
export class Alternatives {
  private producers: Map<number, number[]> | undefined;

  constructor(
    private readonly world: PlanningWorld,
    private readonly graph: StepGraph,
  ) {}

  of(step: Step, alsoRead: readonly string[]): number[] {
    const { capability } = step;
    const { facetIds } = this.world.index;
    if (capability === undefined) return [];
    const used = new Set(alsoRead);
    for (const reader of this.graph.readersOf(step.id))
      for (const [facet, from] of reader.reads) if (from.has(step.id)) used.add(facet);
    const facets = [...used].flatMap((name) => facetIds.get(name) ?? []);
    if (facets.length === 0) return [];
    const had = this.availableTo(step);
    const rarest = facets.map((facet) => this.producersOf(facet)).sort((a, b) => a.length - b.length)[0]!;
    return rarest
      .filter((other) => {
        const candidate = this.world.capability(other);
        if (candidate.capabilityId === capability.capabilityId || candidate.kind !== capability.kind) return false;
        if (candidate.agentType !== capability.agentType) return false;
        return (
          rowOf(this.world.index.requiredInputs, other).every((facet) => had.has(facet)) &&
          facets.every((facet) => this.world.gives(other, facet))
        );
      })
      .sort((a, b) => this.world.score(b).score - this.world.score(a).score || a - b);
  }

  selectionOf(step: Step, alternatives: readonly number[]): Selection | undefined {
    const number = step.capability && this.world.numberOf(step.capability.capabilityId);
    if (number === undefined) return undefined;
    const { score, breakdown } = this.world.score(number);
    return {
      score,
      breakdown,
      threshold: this.world.settings.threshold,
      runnersUp: alternatives.slice(0, RUNNERS_UP).map((other) => ({
        capabilityId: this.world.capability(other).capabilityId,
        ...this.world.score(other),
        ...(isWeak(this.world, other) ? { reason: 'below the threshold' } : {}),
      })),
    };
  }

  /** Facets that the run has, or that steps give which don't depend on this one. */
  private availableTo(step: Step): Set<number> {
    const had = new Set(this.world.provided.flatMap((facet) => this.world.lineage(facet)));
    const behind = this.graph.descendants(step.id);
    for (const other of this.graph.steps.values()) {
      if (other === step || behind.has(other.id)) continue;
      for (const name of other.writes) {
        const facet = this.world.index.facetIds.get(name);
        if (facet !== undefined) for (const one of this.world.lineage(facet)) had.add(one);
      }
    }
    return had;
  }

  private producersOf(facet: number): readonly number[] {
    if (this.producers === undefined) {
      this.producers = new Map();
      const { capabilityLayer } = this.world.reach;
      for (let capability = 0; capability < capabilityLayer.length; capability += 1) {
        if (capabilityLayer[capability]! >= UNREACHED) continue;
        const given = new Set(
          [...rowOf(this.world.index.outputs, capability)].flatMap((one) => this.world.lineage(one)),
        );
        for (const one of given) {
          const known = this.producers.get(one);
          if (known === undefined) this.producers.set(one, [capability]);
          else known.push(capability);
        }
      }
    }
    return this.producers.get(facet) ?? [];
  }
}
