import { appendFileSync } from 'node:fs';
import { plainAgent } from '@flex/orchestrator/ingredients';
import { defineCapability, FatalError, RetryableError, startWorker } from '@flex/worker-sdk';

/**
 * The agents of the chaos suite: each call leaves a line with its idempotency key in a file that outlives the process,
 * and fails, or breaks its contract, as the hash of that key says: the same attempt always does the same.
 */
const [natsUrl, file] = process.argv.slice(2) as [string, string];

const agent = (capabilityId: string) =>
  defineCapability(
    {
      ...plainAgent(capabilityId, ['chaosCount']),
      heartbeat: { intervalSeconds: 2, timeoutSeconds: 10 },
      retry: { maxAttempts: 8, backoffMs: 200, factor: 1 },
      timeoutMs: 6_000,
    },
    async (_inputs, context) => {
      appendFileSync(file, `${context.idempotencyKey}\n`);
      const fate = hash(context.idempotencyKey) % 20;
      if (fate === 0) throw new RetryableError('chaos: broken this time');
      if (fate === 1) return { chaosCount: 'not a number' as unknown as number };
      if (fate === 2) await new Promise((resolve) => setTimeout(resolve, 400));
      if (fate === 3 && capabilityId === 'chaos.frail') throw new FatalError('chaos: broken for good');
      return { chaosCount: hash(context.idempotencyKey) % 100 };
    },
  );

function hash(text: string): number {
  let value = 0x811c9dc5;
  for (const char of text) value = Math.imul(value ^ char.charCodeAt(0), 0x01000193);
  return value >>> 0;
}

await startWorker({
  capabilities: [agent('chaos.count'), agent('chaos.frail')],
  facets: [{ name: 'chaosCount', title: 'Count', schema: { type: 'number' }, direction: 'bidirectional' }],
  natsUrl,
});
process.send?.('ready');
process.on('disconnect', () => process.exit(0));
