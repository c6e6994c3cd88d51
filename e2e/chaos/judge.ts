import type { Flex } from '@flex/client';

interface Told {
  seq: number;
  type: string;
  data: Record<string, unknown>;
}

/** What one run's history and streams break of the promises; sentences, none when all is well. */
export async function judge(
  flex: Flex,
  runId: string,
  seen: readonly string[],
  effects: ReadonlyMap<string, number>,
): Promise<string[]> {
  const violations: string[] = [];
  const events: Told[] = [];
  for await (const event of flex.runs.events(runId)) events.push(event as unknown as Told);
  const history: string[] = [];
  for await (const frame of flex.runs.watch(runId)) history.push(frame.id);
  if (seen.join() !== history.join())
    violations.push(
      `${runId}: a client saw ${seen.length} frames, the history has ${history.length}, or in another order`,
    );
  const accepted = new Set<string>();
  const dispatched = new Map<string, number>();
  let terminal = 0;
  for (const { type, data, seq } of events) {
    for (const { nodeId, attempt } of (data['accepted'] as { nodeId: string; attempt: number }[] | undefined) ?? []) {
      if (accepted.has(nodeId)) violations.push(`${runId}: ${nodeId} was accepted twice (${seq})`);
      accepted.add(nodeId);
      const key = `${runId}:${nodeId}:${attempt}`;
      const dispatch = events.find(
        (event) =>
          event.type === 'node.dispatched' && event.data['nodeId'] === nodeId && event.data['attempt'] === attempt,
      );
      if (dispatch && !effects.has(key))
        violations.push(`${runId}: ${nodeId} attempt ${attempt} was accepted, but no worker did it`);
    }
    if (type === 'node.dispatched') {
      const key = `${data['nodeId'] as string}:${data['attempt'] as number}`;
      dispatched.set(key, (dispatched.get(key) ?? 0) + 1);
    }
    if (type === 'run.completed' || type === 'run.failed' || type === 'run.cancelled') terminal++;
  }
  for (const [key, count] of dispatched)
    if (count > 1) violations.push(`${runId}: ${key} was dispatched ${count} times`);
  if (terminal !== 1) violations.push(`${runId}: ${terminal} ends`);
  const view = await flex.runs.get(runId);
  const last = events.findLast(
    ({ type }) => type.startsWith('run.') && ['run.completed', 'run.failed', 'run.cancelled'].includes(type),
  );
  if (last && view.status !== last.type.slice(4))
    violations.push(`${runId}: the read model says ${view.status}, the log ${last.type}`);
  return violations;
}
