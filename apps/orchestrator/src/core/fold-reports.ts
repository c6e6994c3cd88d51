import { resultsOf, type StepResult, type StoredEvent } from '@flex/contracts';
import { dueAt, softDue } from './due.js';
import { setBack } from './fold-nodes.js';
import { spend } from './spend.js';
import { nodeOf, type NodeRun, type RunState } from './state.js';

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
  run.retryAt = run.report = run.error = run.asked = run.judged = run.ranOn = undefined;
  state.retrying.delete(nodeId);
  state.ready.delete(nodeId);
  state.active.add(nodeId);
  state.spent.dispatched++;
  dueAt(state, softDue(state, nodeId, run));
}

/**
 * A worker's word about an attempt, and about those that it went on with. Each counts once, and only for what was
 * dispatched or named by the dispatch; those that it went on with only as long as those before them are news.
 */
export function reported(state: RunState, event: StoredEvent<'node.reported'>): void {
  const { data, key } = event;
  const next = state.nodes.get(data.nodeId)?.next;
  let before: NodeRun | undefined;
  const follow = (step: { nodeId: string; attempt: number }, place: number): void => {
    const named = next?.steps[place];
    const run = state.nodes.get(step.nodeId);
    if (!before || !run || run.status !== 'pending' || next?.version !== state.plan?.version) return;
    if (named?.nodeId !== step.nodeId || named.attempt !== step.attempt || run.attempt >= step.attempt) return;
    before.ranOn = { nodeId: step.nodeId, attempt: step.attempt };
    const { timeoutMs } = nodeOf(state, step.nodeId)!;
    begin(state, step.nodeId, run, { attempt: step.attempt, key, time: event.time, timeoutMs });
  };
  for (const [i, result] of resultsOf(data).entries()) {
    if (i > 0) follow(result, i - 1);
    before = take(state, result, key);
  }
  if (data.at) follow(data.at, data.further?.length ?? 0);
  else giveBack(state, (data.further?.at(-1) ?? data).nodeId);
}

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

/** A node failed: what a worker made of a result that does not count does not count either, and is to be done again. */
export function undoAfter(state: RunState, nodeId: string): void {
  const nodes = ranOnAfter(state, nodeId);
  const run = state.nodes.get(nodeId);
  if (run) run.ranOn = undefined;
  if (nodes.length > 0) setBack(state, nodes);
}
