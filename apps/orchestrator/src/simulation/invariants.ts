import type { Acceptance, PlanGraph, StoredEvent } from '@flex/contracts';
import { mergeDelta } from '@flex/planning';

interface Watched {
  plan?: PlanGraph;
  dispatched: Set<string>;
  /** Attempts that a worker may have made: dispatched by themselves, or named by the dispatch of one before. */
  allowed: Set<string>;
  done: Set<string>;
  held?: string;
  ended?: number;
}

/** Reads the log as it grows and says, in one sentence, what must never be in it. */
export class Invariants {
  readonly #runs = new Map<string, Watched>();

  check(event: StoredEvent): string | undefined {
    if (event.runId === '') return undefined;
    let run = this.#runs.get(event.runId);
    if (!run) this.#runs.set(event.runId, (run = { dispatched: new Set(), allowed: new Set(), done: new Set() }));
    if (run.ended !== undefined && event.source === 'orchestrator')
      return `${event.type} at ${event.seq} after the run ended at ${run.ended}`;
    for (const acceptance of (event.data as { accepted?: Acceptance[] }).accepted ?? []) {
      const fault = this.#accepted(acceptance, run);
      if (fault) return `${fault} (${event.seq})`;
      run.done.add(acceptance.nodeId);
    }
    return this.#check(event, run);
  }

  #accepted({ nodeId, attempt, outputs }: Acceptance, run: Watched): string | undefined {
    const name = `${nodeId} attempt ${attempt}`;
    if (run.done.has(nodeId)) return `${nodeId} was accepted twice`;
    // What the engine or a person made comes with its outputs.
    if (outputs !== undefined) return undefined;
    if (!run.allowed.has(name)) return `${name} was accepted, but nobody had been asked for it`;
    const open = run.plan!.edges.find((edge) => edge.to === nodeId && !run.done.has(edge.from));
    return open && !run.dispatched.has(name) ? `${name} was accepted before ${open.from} was done` : undefined;
  }

  #check(event: StoredEvent, run: Watched): string | undefined {
    switch (event.type) {
      case 'plan.generated':
        if (run.plan) return `a second first plan at ${event.seq}`;
        run.plan = event.data.plan;
        run.held = undefined;
        return undefined;
      case 'plan.requested':
        run.held = `a new plan was asked for at ${event.seq}`;
        return undefined;
      case 'policy.triggered':
        if (event.data.action.type !== 'emit') run.held = `policy ${event.data.policyId} triggered at ${event.seq}`;
        return undefined;
      case 'plan.updated': {
        if (!run.plan || event.data.previousVersion !== run.plan.version)
          return `version ${event.data.version} at ${event.seq} is not the next one`;
        for (const node of event.data.delta.replaceNodes)
          if (run.done.has(node.id)) return `the finished ${node.id} was changed at ${event.seq}`;
        for (const nodeId of event.data.delta.removeNodes)
          if (run.done.has(nodeId)) return `the finished ${nodeId} was removed at ${event.seq}`;
        run.plan = mergeDelta(run.plan, event.data.delta, { cause: event.data.cause });
        run.held = undefined;
        return undefined;
      }
      case 'policy.acted':
        if (event.data.goto) for (const nodeId of event.data.goto.nodes) run.done.delete(nodeId);
        run.held = undefined;
        return undefined;
      case 'run.resumed':
      case 'hitl.closed':
        run.held = undefined;
        return undefined;
      case 'node.skipped':
        for (const { nodeId } of event.data.nodes) run.done.add(nodeId);
        return undefined;
      case 'node.dispatched':
        return this.#dispatched(event, run);
      case 'run.completed':
      case 'run.failed':
      case 'run.cancelled':
        run.ended = event.seq;
        if (event.type === 'run.completed' && run.plan && !event.data.output)
          return `completed without output at ${event.seq}`;
        return undefined;
      default:
        return undefined;
    }
  }

  #dispatched(event: StoredEvent<'node.dispatched'>, run: Watched): string | undefined {
    const { nodeId, attempt } = event.data;
    const name = `${nodeId} attempt ${attempt}`;
    if (run.dispatched.has(name)) return `${name} was dispatched twice (${event.seq})`;
    run.dispatched.add(name);
    for (const step of [event.data, ...(event.data.next ?? [])])
      run.allowed.add(`${step.nodeId} attempt ${step.attempt}`);
    if (run.done.has(nodeId)) return `the finished ${nodeId} was dispatched again (${event.seq})`;
    if (run.held) return `${name} was dispatched at ${event.seq} although ${run.held}`;
    const open = run.plan!.edges.find((edge) => edge.to === nodeId && !run.done.has(edge.from));
    if (open) return `${name} was dispatched at ${event.seq} before ${open.from} was done`;
    return undefined;
  }

  get ended(): number {
    return [...this.#runs.values()].filter((run) => run.ended !== undefined).length;
  }

  get open(): string[] {
    return [...this.#runs].filter(([, run]) => run.ended === undefined).map(([runId]) => runId);
  }
}
