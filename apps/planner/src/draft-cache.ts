import { hash } from 'node:crypto';
import type { RegistrySnapshot } from '@flex/contracts';
import type { PlanRequest, Proposal } from './core/plan-answer.js';

const MAX_ENTRIES = 500;

/**
 * Deterministic proposals by registry snapshot and question. A snapshot's identity stands for its revision and tenant; with the
 * last reference to it its proposals go too. A model's answers are not kept: a bad one would be handed out again and again.
 */
export class DraftCache {
  readonly #bySnapshot = new WeakMap<RegistrySnapshot, Map<string, Proposal>>();
  hits = 0;

  get(snapshot: RegistrySnapshot, request: PlanRequest, make: () => Proposal): Proposal {
    let known = this.#bySnapshot.get(snapshot);
    if (!known) this.#bySnapshot.set(snapshot, (known = new Map()));
    const key = questionKey(request);
    let proposal = known.get(key);
    if (proposal) {
      this.hits += 1;
      // The oldest use stays first in the map.
      known.delete(key);
    } else {
      proposal = make();
      if (known.size >= MAX_ENTRIES) known.delete(known.keys().next().value as string);
    }
    known.set(key, proposal);
    return proposal;
  }
}

/** All of a request that a deterministic proposal depends on: the task, not who asks, how often, or which ids it has. */
function questionKey(request: PlanRequest): string {
  const { phase, dynamic, objective, inputs, constraints, outputContract } = request;
  const { specialInstructions, goalConditions, labels, policies, replan, cause } = request;
  const task = [objective, inputs, constraints, outputContract, specialInstructions, goalConditions, labels];
  return hash('sha256', JSON.stringify([phase, dynamic, ...task, policies, replan && { replan, cause }]), 'hex');
}
