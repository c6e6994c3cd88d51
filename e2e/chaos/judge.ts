import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Flex } from '@flex/client';
import { Invariants } from '@flex/orchestrator/invariants';
import { verify, type ToldEvent } from '@flex/orchestrator/verify';
import type { Seen } from './clients.js';

const ENDS = ['run.completed', 'run.failed', 'run.cancelled'];

/**
 * What one run's history and streams break of the promises; sentences, none when all is well. The history of a run that
 * breaks one is left in `folder`.
 */
export async function judge(
  flex: Flex,
  seen: Seen,
  effects: ReadonlyMap<string, number>,
  folder: string,
): Promise<string[]> {
  const runId = seen.runId!;
  const events: ToldEvent[] = [];
  for await (const event of flex.runs.events(runId)) events.push({ ...event, runId } as unknown as ToldEvent);
  const violations = [
    ...(await framesOf(flex, seen)),
    ...historyOf(events),
    ...effectsOf(events, effects),
    ...(await endOf(flex, runId, events)),
  ];
  if (violations.length > 0) writeFileSync(join(folder, `${runId}.json`), JSON.stringify(events, undefined, 1));
  return violations.map((violation) => `${runId}: ${violation}`);
}

/** A client that was cut off many times saw what one sees that reads the whole stream now. */
async function framesOf(flex: Flex, { runId, frames }: Seen): Promise<string[]> {
  const history: string[] = [];
  for await (const frame of flex.runs.watch(runId!)) history.push(frame.id);
  if (frames.join() === history.join()) return [];
  const lost = history.filter((id) => !frames.includes(id));
  return [
    `a client saw ${frames.length} frames, the history has ${history.length}` +
      (lost.length > 0 ? `; it missed ${lost.slice(0, 5).join(' ')}` : ', or in another order'),
  ];
}

/** The invariants of the simulation on what really happened, and the chain of digests. */
function historyOf(events: readonly ToldEvent[]): string[] {
  const violations: string[] = [];
  const invariants = new Invariants();
  const told = new Set<string>();
  for (const event of events) {
    // What others said again says nothing new.
    const id = event.id.replace(/\.again\..*$/, '');
    if (told.has(id)) continue;
    told.add(id);
    const violation = invariants.check(event);
    if (violation) violations.push(violation);
  }
  const { verified, reason } = verify(events);
  return verified ? violations : [...violations, reason ?? 'not verified'];
}

/** Each accepted attempt was carried out, and nothing was carried out that nobody had dispatched. */
function effectsOf(events: readonly ToldEvent[], effects: ReadonlyMap<string, number>): string[] {
  const violations: string[] = [];
  const dispatched = new Set<string>();
  for (const event of events) {
    const { accepted } = event.data as { accepted?: { nodeId: string; attempt: number }[] };
    for (const { nodeId, attempt } of accepted ?? []) {
      const key = `${event.runId}:${nodeId}:${attempt}`;
      if (dispatched.has(key) && !effects.has(key))
        violations.push(`${nodeId} attempt ${attempt} was accepted, but no worker did it`);
    }
    if (event.type !== 'node.dispatched') continue;
    for (const { nodeId, attempt } of [event.data, ...(event.data.next ?? [])])
      dispatched.add(`${event.runId}:${nodeId}:${attempt}`);
  }
  const runId = events[0]!.runId;
  for (const key of effects.keys())
    if (key.startsWith(`${runId}:`) && !dispatched.has(key)) violations.push(`${key} was carried out undispatched`);
  return violations;
}

async function endOf(flex: Flex, runId: string, events: readonly ToldEvent[]): Promise<string[]> {
  const ends = events.filter(({ type }) => ENDS.includes(type));
  if (ends.length !== 1) return [`${ends.length} ends`];
  const { status } = await flex.runs.get(runId);
  const listed = ends[0]!.type.slice(4);
  return status === listed ? [] : [`the read model says ${status}, the log ${listed}`];
}
