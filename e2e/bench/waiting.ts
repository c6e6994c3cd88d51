import { setTimeout as delay } from 'node:timers/promises';
import { createFlex } from '@flex/client';
import { readState, signal } from '@flex/embedded';
import type { TaskEnvelope } from '@flex/contracts';
import { benchStack, chainOf, memoryOf } from './bench-stack.js';
import { lastSeq, rawLimit } from './raw-limit.js';
import { inParallel, round } from './statistics.js';

const REPORTS = 5;
/** Messages that the server's own rate is measured with. */
const SAMPLE = 10_000;

/** A great many runs that wait for people: what each costs in memory, and that the first of them still goes on. */
export async function benchWaiting(env: NodeJS.ProcessEnv, runs = 100_000): Promise<Record<string, unknown>[]> {
  const stack = await benchStack({ sync: 'default' }, env);
  const rows: Record<string, unknown>[] = [];
  const flex = createFlex({ url: stack.url });
  const envelope: TaskEnvelope = {
    objective: 'wait',
    outputContract: { mode: 'facets', facets: ['benchTick'] },
    plan: chainOf(3),
    review: true,
  };
  try {
    const runIds: string[] = [];
    for (let part = 0; part < REPORTS; part++) {
      const before = await lastSeq(stack.natsUrl);
      const begun = performance.now();
      await inParallel(runs / REPORTS, 48, async () => void runIds.push((await flex.runs.create(envelope)).runId));
      await waits(flex, runIds.at(-1)!);
      const seconds = (performance.now() - begun) / 1000;
      const last = await lastSeq(stack.natsUrl);
      const raw = await rawLimit(stack.natsUrl, Math.max(before, last - SAMPLE) + 1, last);
      const perRun = (last - before) / (runs / REPORTS);
      rows.push({
        bench: 'waiting',
        open: runIds.length,
        perSecond: round(runs / REPORTS / seconds),
        rawPerSecond: round(raw.messages / (raw.ms / 1000) / perRun),
        orchestratorMiB: round(memoryOf(stack.home, 'orchestrator')),
        gatewayMiB: round(memoryOf(stack.home, 'gateway')),
        continueMs: round(await goesOn(flex, runIds[part]!)),
      });
    }
    const orchestrator = readState(stack.home)?.processes.find(({ service }) => service === 'orchestrator');
    if (orchestrator) signal(orchestrator, 'SIGKILL');
    const after = await goesOn(flex, runIds[REPORTS]!);
    rows.push({
      ...rows.at(-1)!,
      open: `${runs} after kill -9`,
      perSecond: '',
      rawPerSecond: '',
      orchestratorMiB: round(memoryOf(stack.home, 'orchestrator')),
      continueMs: round(after),
    });
    return rows;
  } finally {
    await stack.stop();
  }
}

async function waits(flex: ReturnType<typeof createFlex>, runId: string): Promise<string> {
  for (;;) {
    const [task] = (await flex.tasks.list({ runId, status: 'open' })).items;
    if (task) return task.taskId;
    await delay(50);
  }
}

/** From an answer to the end of its run. */
async function goesOn(flex: ReturnType<typeof createFlex>, runId: string): Promise<number> {
  const taskId = await waits(flex, runId);
  const begun = performance.now();
  await flex.tasks.resolve(taskId, { resolution: 'approve' });
  for await (const frame of flex.runs.watch(runId)) if (frame.type === 'complete') break;
  return performance.now() - begun;
}
