import type { EventData, Json, NewEvent, StepResult, ValidationIssue } from '@flex/contracts';
import { ContractViolation, type EventLog, type LogEvent, type WorkContext } from '@flex/events';
import type { CapabilityDefinition } from './define-capability.js';
import { FatalError, RetryableError } from './errors.js';
import type { FacetBook } from './facet-book.js';
import { failureOf } from './failure.js';
import type { WorkerLogger } from './logger.js';
import { ProgressVoice } from './progress-voice.js';
import { Interrupted, RunningStep } from './running-step.js';
import { issuesAgainst } from './schema-validator.js';
import { StepContext } from './step-context.js';
import { recordStep } from './step-meter.js';
import { inSpan } from './step-span.js';
import { Stretch } from './stretch.js';

type Dispatched = LogEvent<'node.dispatched'>;
type Reported = EventData<'node.reported'>;
type Said = Omit<StepResult, 'nodeId' | 'attempt' | 'durationMs'>;

export interface StepRunnerOptions {
  log: EventLog;
  definition: CapabilityDefinition;
  book: FacetBook;
  /** Name of this worker process, for people who read the log. */
  instance: string;
  isCancelled: (runId: string, nodeId: string, attempt: number) => boolean;
  /** Who does the steps of another capability in this process, at any time; undefined: nobody. */
  sibling: (key: string) => StepRunner | undefined;
  logger: WorkerLogger;
}

/** Executes the steps of one capability: checks inputs, calls the handler, and reports what came of it. */
export class StepRunner {
  readonly #running = new Set<RunningStep>();
  readonly #inputNames: string[];
  readonly #outputNames: readonly string[];

  constructor(private readonly options: StepRunnerOptions) {
    const { inputFacets, outputFacets } = options.definition.capability;
    this.#inputNames = inputFacets.map(({ facet }) => facet);
    this.#outputNames = outputFacets;
  }

  get running(): ReadonlySet<RunningStep> {
    return this.#running;
  }

  /**
   * One delivery of one dispatch: its step, and those that may follow. Resolves when the log has the report; a second
   * delivery of the same attempt makes the same report, which the log has then already. Rejects when it should be delivered
   * again, here or elsewhere.
   */
  readonly handle = async (event: Dispatched, work: WorkContext): Promise<void> => {
    const { isCancelled, sibling } = this.options;
    if (isCancelled(event.runId, event.data.nodeId, event.data.attempt)) return;
    const serves = (key: string): boolean => sibling(key) !== undefined;
    const stretch = new Stretch(event, (report, key) => this.#report(event, key, report), serves);
    try {
      for (let at: Dispatched | undefined = event; at; at = stretch.next(isCancelled)) {
        const runner = at.key === event.key ? this : sibling(at.key!)!;
        if (!(await runner.#carryOut(at, work, stretch))) break;
      }
    } catch (error) {
      if (!stretch.canBeCut) throw error;
    } finally {
      await stretch.end();
    }
  };

  /** One step; false when nobody waits for its result any more. */
  async #carryOut(event: Dispatched, work: WorkContext, stretch: Stretch): Promise<boolean> {
    const { nodeId, attempt, timeoutMs } = event.data;
    const { capability } = this.options.definition;
    const began = performance.now();
    const step = new RunningStep(event.runId, nodeId, attempt, timeoutMs, () => this.#announce(event));
    this.#running.add(step);
    try {
      const done = await inSpan(event, capability, (traceparent) =>
        this.#execute(event, step, work, traceparent, () => stretch.tell()),
      );
      if (!done) return false;
      const durationMs = Math.round(performance.now() - began);
      recordStep(capability.capabilityId, done.said.error ? 'failed' : 'completed', durationMs);
      stretch.add({ nodeId, attempt, durationMs, ...done.said }, event.key, done.sound);
      return true;
    } finally {
      step.done();
      this.#running.delete(step);
    }
  }

  /** What is to be reported, and whether others may build on it; undefined when nobody waits for it. */
  async #execute(
    event: Dispatched,
    step: RunningStep,
    work: WorkContext,
    traceparent: string | undefined,
    onSpeak: () => void,
  ): Promise<{ said: Said; sound: boolean } | undefined> {
    const { log, book, definition, instance, logger } = this.options;
    const { capability, handler } = definition;
    const { runId, key, data } = event;
    const tenant = data.tenant ?? 'default';
    // Made when the handler first speaks: most steps say nothing until they are done.
    let voice: ProgressVoice | undefined;
    const speak = (): ProgressVoice => {
      const { nodeId, attempt } = data;
      if (!voice) onSpeak();
      const about = { runId, key, traceparent, nodeId, attempt, worker: instance, delivery: work.attempt };
      return (voice ??= new ProgressVoice(about, (said) => log.append(said)));
    };
    const validate = (outputs: unknown): ValidationIssue[] => this.#outputIssues(data, outputs);
    const context = new StepContext(runId, data, traceparent, { abort: () => step.signal, speak, validate });
    try {
      const inputs = book.byFacet(data.inputs, this.#inputNames, tenant);
      const issues = book.inputIssues(capability, inputs);
      if (issues.length > 0)
        throw new FatalError(`an input is not valid: ${say(issues)}`, { code: 'INPUT_INVALID', issues });
      const result = handler(inputs, context);
      const returned: unknown = isThenable(result) ? await Promise.race([result, step.interrupted]) : result;
      const outputs = plainOutputs(book.byFacet(plainOutputs(returned), this.#outputNames, tenant));
      const faults = validate(outputs);
      if (faults.length > 0) {
        // Reported as it is: the orchestrator judges it too, and policies may act on it.
        logger.warn(
          { runId, nodeId: data.nodeId, capabilityId: data.capabilityId, issue: say(faults) },
          'an output breaks its schema',
        );
      }
      const said = { outputs, usage: context.usageReported, metrics: context.metricsReported };
      return { said, sound: faults.length === 0 };
    } catch (error) {
      if (error instanceof Interrupted && error.why !== 'timeout') {
        if (error.why === 'cancelled') return undefined;
        throw error;
      }
      const failure =
        error instanceof Interrupted
          ? { code: 'TIMEOUT', message: `no result within ${data.timeoutMs} ms`, retryable: true }
          : failureOf(error);
      logger.warn(
        {
          runId,
          nodeId: data.nodeId,
          capabilityId: data.capabilityId,
          attempt: data.attempt,
          code: failure.code,
          reason: failure.message,
        },
        'a step failed',
      );
      const said = { error: failure, usage: context.usageReported, metrics: context.metricsReported };
      return { said, sound: false };
    } finally {
      if (voice) await voice.close();
    }
  }

  async #report(dispatched: Dispatched, key: string | undefined, said: Reported): Promise<void> {
    const { runId, traceparent } = dispatched;
    const data = { ...said, worker: this.options.instance };
    const last = said.at ?? said.further?.at(-1);
    // A second delivery may get further than the first: that is another report.
    const upTo = last ? `:${said.at ? 'at' : 'to'}:${last.nodeId}:${last.attempt}` : '';
    const id = `${runId}:report:${data.nodeId}:${data.attempt}${upTo}`;
    const event: NewEvent<'node.reported'> = { type: 'node.reported', runId, id, key, traceparent, data };
    try {
      await this.options.log.append(event);
    } catch (error) {
      if (!(error instanceof ContractViolation)) throw error;
      // What follows the first is left out: it is dispatched again by itself.
      const { further: _, at: __, ...first } = said;
      if (last) return this.#report(dispatched, key, first);
      if (data.error) throw error;
      const failure = failureOf(
        new RetryableError(`the result cannot be reported: ${error.message}`, { code: 'OUTPUT_INVALID' }),
      );
      await this.options.log.append({ ...event, data: { ...data, outputs: undefined, error: failure } });
    }
  }

  /** Nobody needs to know of steps that take a moment; of the others people want to see that somebody is at it. */
  #announce({ runId, key, traceparent, data: { nodeId, attempt } }: Dispatched): void {
    const data = { nodeId, attempt, worker: this.options.instance };
    const id = `${runId}:started:${nodeId}:${attempt}`;
    void this.options.log.append({ type: 'node.started', runId, id, key, traceparent, data }).catch(() => undefined);
  }

  #outputIssues(data: Dispatched['data'], outputs: unknown): ValidationIssue[] {
    if (data.outputSchema === undefined) return [];
    const values = outputs as Record<string, Json>;
    return issuesAgainst(data.outputSchema, this.options.book.byPropertyKey(values, data.tenant ?? 'default'));
  }
}

const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  typeof (value as { then?: unknown } | null)?.then === 'function';

/** What a handler returned, if it can be outputs at all. */
function plainOutputs(value: unknown): Record<string, Json> {
  if (value !== null && typeof value === 'object' && !Array.isArray(value)) return value as Record<string, Json>;
  const is = value === null ? 'null' : Array.isArray(value) ? 'an array' : typeof value;
  throw new RetryableError(`the handler returned ${is} instead of an object with outputs by facet`, {
    code: 'OUTPUT_INVALID',
  });
}

const say = (issues: ValidationIssue[]): string => `${issues[0]!.pointer || '/'} ${issues[0]!.message}`;
