import type { Flex } from '@flex/client';
import { chainOf } from './bench-stack.js';

/** Runs that were submitted before something happens, wait for a person meanwhile, and are to be completed afterwards. */
export class WaitingRuns {
  private constructor(
    private readonly flex: Flex,
    readonly runIds: readonly string[],
  ) {}

  static async begin(flex: Flex, count: number, label: string): Promise<WaitingRuns> {
    const runIds: string[] = [];
    for (let n = 0; n < count; n++) {
      const { runId } = await flex.runs.create({
        objective: 'Wait for a person',
        outputContract: { mode: 'facets', facets: ['benchTick'] },
        plan: chainOf(3),
        policies: {
          runtime: [
            {
              id: 'ask',
              trigger: { kind: 'onNodeComplete', selector: { nodeId: 'n0' } },
              action: { type: 'hitl', rationale: 'Go on?' },
              maxTriggers: 1,
            },
          ],
        },
        metadata: { labels: { waits: label } },
      });
      runIds.push(runId);
      for await (const frame of flex.runs.watch(runId)) if (frame.type === 'hitl_request') break;
    }
    return new WaitingRuns(flex, runIds);
  }

  /** Answers every question and reads each run to its end; what is not as promised, as sentences. */
  async end(): Promise<string[]> {
    const violations: string[] = [];
    for (const runId of this.runIds) {
      let status: unknown;
      for await (const frame of this.flex.runs.watch(runId)) {
        if (frame.type === 'hitl_request')
          await this.flex.tasks.resolve(String(frame.payload.taskId), { resolution: 'approve' });
        if (frame.type === 'complete') status = frame.payload.status;
      }
      if (status !== 'completed') violations.push(`${runId}, which waited for a person, ended as ${String(status)}`);
    }
    return violations;
  }
}
