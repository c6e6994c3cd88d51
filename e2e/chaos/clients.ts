import { setTimeout as delay } from 'node:timers/promises';
import type { Flex } from '@flex/client';
import type { TaskEnvelope } from '@flex/contracts';
import type { Random } from '@flex/orchestrator/random';
import { WAITS } from './envelopes.js';

/** What one client saw of its run. */
export interface Seen {
  envelope: TaskEnvelope;
  runId?: string;
  frames: string[];
  ended: boolean;
  /** Its question to a person was seen, and nothing answers it before all faults are over. */
  waiting: boolean;
}

const waits = (envelope: TaskEnvelope): boolean => envelope.objective === WAITS;

/** Submits and reads to the end, through whatever happens to the gateway. */
export async function follow(flex: Flex, seen: Seen, changed: () => void, signal: AbortSignal): Promise<void> {
  for await (const frame of flex.runs.stream(seen.envelope, { signal })) {
    seen.runId = frame.runId;
    seen.frames.push(frame.id);
    if (frame.type === 'hitl_request' && waits(seen.envelope)) seen.waiting = true;
    changed();
  }
  if (signal.aborted) return;
  seen.ended = true;
  changed();
}

/** Answers whatever people are asked, until told to stop; questions that wait for the end only when it has come. */
export async function answerTasks(
  flex: Flex,
  random: Random,
  theEnd: () => boolean,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await delay(300, undefined, { signal }).catch(() => undefined);
    try {
      for (const task of (await flex.tasks.list({ status: 'open', limit: 200 })).items) {
        if (task.prompt === WAITS && !theEnd()) continue;
        const answer =
          task.kind === 'output'
            ? { resolution: 'output' as const, output: { chaosCount: random.below(90) } }
            : { resolution: 'approve' as const };
        await flex.tasks.resolve(task.taskId, answer).catch(() => undefined);
      }
    } catch {
      // The gateway is being killed; the next round asks again.
    }
  }
}
