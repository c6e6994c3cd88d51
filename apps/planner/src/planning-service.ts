import type { PlannerDiagnostic, RegistrySnapshot } from '@flex/contracts';
import { decodeDelta, decodeDraft } from './core/answer-decoder.js';
import { modelSelections } from './core/model-selections.js';
import { priced, type Prices } from './core/model-usage.js';
import {
  answerAfterFailure,
  answerWith,
  type Asked,
  type Origin,
  type PlanAnswer,
  type PlanRequest,
  type Proposal,
} from './core/plan-answer.js';
import { buildPrompt } from './core/prompt.js';
import { DraftCache } from './draft-cache.js';
import type { ModelAnswer, ModelQuestion } from './openai-model.js';

/** The live registry as the planner sees it; in a running service the RegistryMirror. */
export interface Registry {
  snapshot(tenant: string): RegistrySnapshot;
  reached(revision: number, signal?: AbortSignal): Promise<void>;
}

/** The model, when one is configured. */
export interface Model {
  readonly name: string;
  ask(question: ModelQuestion, signal: AbortSignal): Promise<ModelAnswer>;
}

/** Makes deterministic proposals. `plain` leaves out scoring, branches and expansion. */
export type Assembler = (runId: string, request: PlanRequest, snapshot: RegistrySnapshot, plain: boolean) => Proposal;

export interface PlanningOptions {
  /** FLEX_DYNAMIC_PLANNING and FLEX_HYBRID_PLANNING of this service; a request can only narrow them. */
  dynamic: boolean;
  hybrid: boolean;
  /** How long to wait for a registry revision that a request names and this replica has not seen yet. */
  registryWaitMs: number;
  promptTokens: number;
  prices: Prices;
}

/** Answers planning requests: the deterministic proposal always, a model's draft when there is one to ask. */
export class PlanningService {
  readonly #cache = new DraftCache();

  constructor(
    private readonly registry: Registry,
    private readonly assemble: Assembler,
    private readonly model: Model | undefined,
    private readonly options: PlanningOptions,
  ) {}

  /** Always an answer; rejects only when `signal` is aborted. */
  async answer(asked: Asked, signal: AbortSignal): Promise<PlanAnswer> {
    const request = asked.data;
    const notes = await this.#awaitRegistry(request, signal);
    const snapshot = this.registry.snapshot(request.tenant);
    const plain = !(request.dynamic && this.options.dynamic);
    const proposal = this.#cache.get(snapshot, { ...request, dynamic: !plain }, () =>
      this.assemble(asked.runId, request, snapshot, plain),
    );
    const origin: Origin = { runtime: plain ? 'stub' : 'deterministic' };
    const model = this.#modelFor(request, snapshot, plain);
    if (!model) return answerWith(asked, origin, proposal, { diagnostics: notes });
    return this.#askModel(model, asked, snapshot, { origin, proposal }, notes, signal);
  }

  /** No model when nothing is registered: it could only invent. */
  #modelFor(request: PlanRequest, snapshot: RegistrySnapshot, plain: boolean): Model | undefined {
    const wanted = request.hybrid && this.options.hybrid && request.deterministicOnly !== true && !plain;
    return wanted && snapshot.capabilities.size > 0 ? this.model : undefined;
  }

  async #askModel(
    model: Model,
    asked: Asked,
    snapshot: RegistrySnapshot,
    deterministic: { origin: Origin; proposal: Proposal },
    notes: PlannerDiagnostic[],
    signal: AbortSignal,
  ): Promise<PlanAnswer> {
    const request = asked.data;
    const tokenBudget = this.options.promptTokens;
    const prompt = buildPrompt({ request, snapshot, deterministic: deterministic.proposal, tokenBudget });
    const answer = await model.ask({ system: prompt.system, user: prompt.user, phase: request.phase }, signal);
    const usage = priced(answer.usage, answer.model, this.options.prices);
    if (!answer.ok) return answerAfterFailure(asked, answer.failure, deterministic, usage, notes);
    const decoded = this.#decode(request, answer.text);
    if (!decoded.ok) {
      const message = 'The model answered with something that is not a draft';
      const failure = { kind: 'malformed' as const, message, diagnostics: decoded.diagnostics };
      return answerAfterFailure(asked, failure, deterministic, usage, notes);
    }
    const origin: Origin = { runtime: 'llm', provider: 'openai', model: answer.model };
    const selections = modelSelections(decoded.value, deterministic.proposal);
    const proposal = { ...decoded.value, ...(selections ? { selections } : {}), diagnostics: [] };
    return answerWith(asked, origin, proposal, { usage, diagnostics: notes });
  }

  #decode(
    request: PlanRequest,
    text: string,
  ): { ok: true; value: Pick<Proposal, 'draft' | 'delta'> } | { ok: false; diagnostics: PlannerDiagnostic[] } {
    const { branches } = request.policies.planner;
    if (request.phase === 'initial') {
      const decoded = decodeDraft(text, branches);
      return decoded.ok ? { ok: true, value: { draft: decoded.value } } : decoded;
    }
    const decoded = decodeDelta(text, request.replan?.baseVersion ?? 1, branches);
    return decoded.ok ? { ok: true, value: { delta: decoded.value } } : decoded;
  }

  /**
   * Waits until this replica's mirror is as new as the one that the request was made from. A revision that does not come
   * (the bucket was built anew) must not hang the run: the plan is made of what is known, and validation has the last word.
   */
  async #awaitRegistry(request: PlanRequest, signal: AbortSignal): Promise<PlannerDiagnostic[]> {
    const late = AbortSignal.timeout(this.options.registryWaitMs);
    try {
      await this.registry.reached(request.registry.revision, AbortSignal.any([signal, late]));
      return [];
    } catch {
      signal.throwIfAborted();
      const message = `Planned without registry revision ${request.registry.revision}, which did not arrive in time`;
      return [{ code: 'PLANNER_UNAVAILABLE', severity: 'warning', message }];
    }
  }
}
