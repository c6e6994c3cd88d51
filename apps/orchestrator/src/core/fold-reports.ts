import { resultsOf, type NextStep, type StepResult, type StoredEvent } from '@flex/contracts';
import { dueAt, softDue } from './due.js';
import { setBack } from './fold-nodes.js';
import { spend } from './spend.js';
import { nodeOf, type NodeRun, type Place, type RunState } from './state.js';

/** An attempt has been handed to a worker. */
export function begin(
  state: RunState,
  nodeId: string,
  run: NodeRun,
  { attempt, key, time, timeoutMs }: { attempt: number; key: string | undefined; time: number; timeoutMs: number },
): void {
  run.status = 'running';
  run.attempt = attempt;
  run.tries++;
  run.key = key;
  run.startedAt = time;
  run.deadline = time + timeoutMs;
  run.retryAt = run.report = run.error = run.asked = run.judged = undefined;
  run.next = run.ranOn = run.named = run.early = undefined;
  state.retrying.delete(nodeId);
  state.ready.delete(nodeId);
  state.active.add(nodeId);
  state.spent.dispatched++;
  dueAt(state, softDue(state, nodeId, run));
}

/** What the dispatch of a step says of those that may follow it. */
export function nameSteps(
  state: RunState,
  run: NodeRun,
  version: number,
  next: readonly NextStep[],
  key: string | undefined,
): void {
  const steps = next.map((step) => ({ nodeId: step.nodeId, attempt: step.attempt, key: step.key ?? key }));
  run.next = { version, steps };
  for (const { nodeId, ...named } of steps) {
    const follower = state.nodes.get(nodeId);
    if (follower?.status !== 'pending') continue;
    follower.named = named;
    follower.early = undefined;
  }
}

/**
 * A worker's word about an attempt, and about those that it went on with. Each counts once, and only for what was
 * dispatched or named by the dispatch; those that it went on with only as long as those before them are news. Reports
 * under several keys may come in any order.
 */
export function reported(state: RunState, event: StoredEvent<'node.reported'>): void {
  const { data, key, time } = event;
  const results = resultsOf(data);
  let before: NodeRun | undefined;
  for (const [i, result] of results.entries()) {
    const run = state.nodes.get(result.nodeId);
    // Those of another capability come under its own key.
    if (i > 0 && before && before.next?.steps[0]?.key === key) goOn(state, before, result, time);
    const then = results[i + 1] ?? data.at;
    if (run?.status === 'pending' && run.named?.attempt === result.attempt && run.named.key === key)
      run.early ??= { result, ...(then ? { then: placeOf(then) } : {}) };
    before = take(state, result, key);
  }
  if (data.at && before) goOn(state, before, data.at, time);
  else if (!data.at) giveBack(state, results.at(-1)!.nodeId);
}

/** A worker went on: with the step that is named next, under that version of the plan, and with no other. */
function goOn(state: RunState, before: NodeRun, step: Place, time: number): void {
  const { next } = before;
  const named = next?.steps[0];
  const run = state.nodes.get(step.nodeId);
  if (!next || !run || run.status !== 'pending' || next.version !== state.plan?.version) return;
  if (named?.nodeId !== step.nodeId || named.attempt !== step.attempt || run.attempt >= step.attempt) return;
  const { early } = run;
  before.ranOn = placeOf(step);
  const { timeoutMs } = nodeOf(state, step.nodeId)!;
  begin(state, step.nodeId, run, { attempt: step.attempt, key: named.key, time, timeoutMs });
  run.next = { version: next.version, steps: next.steps.slice(1) };
  if (early && take(state, early.result, named.key) && early.then) goOn(state, run, early.then, time);
}

const placeOf = ({ nodeId, attempt, follows }: Place): Place => ({ nodeId, attempt, ...(follows ? { follows } : {}) });

/**
 * Whoever is sent a dispatch speaks for all that it names. A worker that took over from one that died, and comes less far
 * than that one had told, leaves the step that nobody is at any more to be dispatched, under the name that it had.
 */
function giveBack(state: RunState, last: string): void {
  const before = state.nodes.get(last);
  const next = before?.ranOn;
  const run = next && state.nodes.get(next.nodeId);
  if (!run || run.status !== 'running' || run.attempt !== next.attempt || run.report) return;
  before.ranOn = run.deadline = run.startedAt = run.key = undefined;
  run.status = 'pending';
  run.attempt--;
  run.tries--;
  state.spent.dispatched--;
  state.active.delete(next.nodeId);
  if (run.unmet === 0) state.ready.add(next.nodeId);
}

/** The attempt's run, if the result is the first about it. */
function take(state: RunState, result: StepResult, key: string | undefined): NodeRun | undefined {
  const run = state.nodes.get(result.nodeId);
  if (!run || run.status !== 'running' || run.attempt !== result.attempt || run.report) return undefined;
  // A worker may speak for its own capability only.
  if (key !== run.key) return undefined;
  run.report = result;
  spend(state, result.usage);
  Object.assign(state.metrics, result.metrics);
  state.reported.add(result.nodeId);
  return run;
}

/** Nodes that a worker went on with after this one, in order. */
export function ranOnAfter(state: RunState, nodeId: string): string[] {
  const nodes: string[] = [];
  for (let run = state.nodes.get(nodeId); run?.ranOn; run = state.nodes.get(run.ranOn.nodeId))
    nodes.push(run.ranOn.nodeId);
  return nodes;
}

/** Whether the report about what a worker went on with is right behind: then all that it did is taken over together. */
export function isAwaited(state: RunState, nodeId: string): boolean {
  let run = state.nodes.get(nodeId);
  let follows = false;
  while (run?.ranOn) {
    follows = run.ranOn.follows === true;
    run = state.nodes.get(run.ranOn.nodeId);
  }
  return follows && run?.status === 'running' && !run.report;
}

/** A node failed: what a worker made of a result that does not count does not count either, and is to be done again. */
export function undoAfter(state: RunState, nodeId: string): void {
  const nodes = ranOnAfter(state, nodeId);
  const run = state.nodes.get(nodeId);
  if (run) run.ranOn = undefined;
  if (nodes.length > 0) setBack(state, nodes);
}
