import type { EventData, Json, JsonSchema, Usage, ValidationIssue } from '@flex/contracts';

export interface Progress {
  /** 0 to 1. */
  fraction?: number;
  message?: string;
  data?: Json;
}

/** What happens with what a step says while it runs. */
export interface StepVoice {
  progress(progress: Progress): void;
  text(chunk: string): void;
}

type Dispatch = EventData<'node.dispatched'>;

/** What a handler knows about its step, and how it speaks while it works. */
export class StepContext {
  readonly #abort: () => AbortSignal;
  readonly #speak: () => StepVoice;
  readonly #validate: (outputs: unknown) => ValidationIssue[];
  usageReported: Usage | undefined;
  metricsReported: Record<string, number> | undefined;

  constructor(
    readonly runId: string,
    private readonly dispatch: Dispatch,
    /** W3C trace context of the run, for calls to other services. */
    readonly traceparent: string | undefined,
    parts: { abort: () => AbortSignal; speak: () => StepVoice; validate: (outputs: unknown) => ValidationIssue[] },
  ) {
    this.#abort = parts.abort;
    this.#speak = parts.speak;
    this.#validate = parts.validate;
  }

  get nodeId(): string {
    return this.dispatch.nodeId;
  }
  get capabilityId(): string {
    return this.dispatch.capabilityId;
  }
  get tenant(): string {
    return this.dispatch.tenant ?? 'default';
  }
  get correlationId(): string | undefined {
    return this.dispatch.correlationId;
  }
  get planVersion(): number {
    return this.dispatch.planVersion;
  }
  /** 1 for the first try of the node. */
  get attempt(): number {
    return this.dispatch.attempt;
  }
  /** The same however often this attempt is delivered: give it to whatever must not happen twice. */
  get idempotencyKey(): string {
    return this.dispatch.idempotencyKey;
  }
  /** What the plan asks of this node, in words. */
  get instruction(): string | undefined {
    return this.dispatch.instruction;
  }
  /** The facets that the plan wants from this node: some or all that the capability offers. */
  get outputFacets(): readonly string[] {
    return this.dispatch.outputFacets;
  }
  /** JSON Schema of the outputs, by facet. */
  get outputSchema(): JsonSchema | undefined {
    return this.dispatch.outputSchema;
  }
  /** Input facet -> where its value came from: `envelope`, or a node's id. */
  get provenance(): Readonly<Record<string, string>> {
    return this.dispatch.provenance ?? {};
  }
  get timeoutMs(): number {
    return this.dispatch.timeoutMs;
  }

  /** Aborted when the time is up, the run was cancelled, or the worker has to stop now. */
  get signal(): AbortSignal {
    return this.#abort();
  }

  /** Tells how far it is. Cheap: at most about ten messages a second leave, the last word always does. */
  progress(progress: Progress): void {
    this.#speak().progress(progress);
  }

  /** Streams a further piece of text to whoever watches the run; sent in portions. */
  text(chunk: string): void {
    this.#speak().text(chunk);
  }

  /** What a model call cost; several calls add up. */
  usage(usage: Usage): void {
    const before = this.usageReported;
    this.usageReported = {
      inputTokens: sum(before?.inputTokens, usage.inputTokens),
      outputTokens: sum(before?.outputTokens, usage.outputTokens),
      cost: sum(before?.cost, usage.cost),
      model: usage.model ?? before?.model,
    };
  }

  /** A figure about this step, for policies (`onMetricBelow`) and dashboards. */
  metric(name: string, value: number): void {
    (this.metricsReported ??= {})[name] = value;
  }

  /** Where outputs break the node's schema, before they are returned: lets an agent repair them itself. */
  validate(outputs: unknown): ValidationIssue[] {
    return this.#validate(outputs);
  }
}

const sum = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined && b === undefined ? undefined : (a ?? 0) + (b ?? 0);
