import { randomBytes } from 'node:crypto';
import { jetstreamManager } from '@nats-io/jetstream';
import { createFlex } from '@flex/client';
import type { Frame, TaskEnvelope } from '@flex/contracts';
import { connectPostgres } from '@flex/events/postgres';
import { defineCapability, startWorker } from '@flex/worker-sdk';
import { OwnStack } from '../harness/own-stack.js';

const base = { version: '1', kind: 'execution', agentType: 'ai' } as const;
const facet = (name: string, type: 'string' | 'number') =>
  ({ name, direction: 'bidirectional', schema: { type } }) as const;

/** Twenty times what NATS takes in a message, and more than most of what anybody's agent will ever say. */
describe('An output of 20 MB', () => {
  const text = randomBytes(10 * 1024 * 1024).toString('hex');
  let stack: OwnStack;
  let worker: Awaited<ReturnType<typeof startWorker>>;

  beforeAll(async () => {
    stack = await OwnStack.start({ without: ['worker'], env: { FLEX_RETENTION_SECONDS: '5' } });
    worker = await startWorker({
      natsUrl: stack.natsUrl,
      facets: [facet('bulkText', 'string'), facet('bulkSize', 'number')],
      capabilities: [
        defineCapability(
          {
            ...{ ...base, capabilityId: 'bulk.make', displayName: 'Says much' },
            ...{ inputFacets: [], outputFacets: ['bulkText'] },
          },
          () => ({ bulkText: text }),
        ),
        defineCapability(
          {
            ...{ ...base, capabilityId: 'bulk.measure', displayName: 'Hears much' },
            ...{ inputFacets: [{ facet: 'bulkText', required: true }], outputFacets: ['bulkSize'] },
          },
          ({ bulkText }) => ({ bulkSize: String(bulkText).length }),
        ),
      ],
    });
  }, 120_000);
  afterAll(async () => {
    await worker?.stop();
    await stack?.stop();
  }, 60_000);

  const bytesIn = async (name: string): Promise<number> =>
    (await (await jetstreamManager(stack.nats)).streams.info(name)).state.bytes;

  it('goes from step to step, to the client, through replay and rebuild, and into the archive', async () => {
    const node = (id: string, outputFacets: string[], inputFacets: string[] = []) =>
      ({ id, kind: 'execution', capabilityId: `bulk.${id}`, label: id, inputFacets, outputFacets }) as const;
    const flex = createFlex({ url: stack.url });
    const frames: Frame[] = [];
    const onReconnect = ({ reason }: { reason: string }): void => void again.push(reason);
    const again: string[] = [];
    const envelope: TaskEnvelope = {
      objective: 'Say much',
      outputContract: { mode: 'facets', facets: ['bulkText', 'bulkSize'] },
      plan: {
        nodes: [node('make', ['bulkText']), node('measure', ['bulkSize'], ['bulkText'])],
        edges: [{ from: 'make', to: 'measure' }],
      },
    };
    for await (const frame of flex.runs.stream(envelope, { onReconnect })) frames.push(frame);
    expect(frames.at(-1)!.type).toBe('complete');
    // However large its frames are, a client that takes them is not sent away.
    expect(again).toEqual([]);
    const { runId } = frames.at(-1)!;
    // Never toEqual: a difference of 20 MB would be printed.
    const isWhole = (output: unknown): boolean => {
      const { bulkText, bulkSize } = output as { bulkText: string; bulkSize: number };
      return bulkText === text && bulkSize === text.length;
    };
    const downloaded = async (): Promise<unknown> => (await flex.runs.output(runId)).output;
    expect(isWhole(frames.at(-1)!.payload['output'])).toBe(true);
    expect(isWhole(await downloaded())).toBe(true);
    expect(await bytesIn('FLEX')).toBeLessThan(200_000);
    expect(await bytesIn('OBJ_flex_claims')).toBeGreaterThan(text.length);

    expect(await stack.command('verify', runId)).toMatchObject({ code: 0 });
    const replay = await stack.command('replay', runId, '--json');
    expect(replay.code).toBe(0);
    expect(replay.text.includes(text.slice(0, 1_000))).toBe(true);
    const db = connectPostgres<{ 'gateway.archive': { run_id: string; purged_at: Date | null } }>(stack.databaseUrl);
    try {
      for (let gone = false; !gone;) {
        const row = await db
          .selectFrom('gateway.archive')
          .select('purged_at')
          .where('run_id', '=', runId)
          .executeTakeFirst();
        gone = row?.purged_at != null;
        if (!gone) await new Promise((resolve) => setTimeout(resolve, 100));
      }
    } finally {
      await db.destroy();
    }
    expect(await bytesIn('OBJ_flex_claims')).toBeLessThan(20_000);
    expect(isWhole(await downloaded())).toBe(true);
    const rest: Frame[] = [];
    for await (const frame of flex.runs.watch(runId, { cursor: frames.at(-2)!.id })) rest.push(frame);
    expect(rest.map(({ id }) => id)).toEqual([frames.at(-1)!.id]);
    expect(isWhole(rest[0]!.payload['output'])).toBe(true);
    expect(await stack.command('verify', runId)).toMatchObject({ code: 0 });
    const rebuild = await stack.command('rebuild', '--json');
    expect(JSON.parse(rebuild.text)).toMatchObject({ differing: [] });
    expect(isWhole(await downloaded())).toBe(true);
  }, 240_000);
});
