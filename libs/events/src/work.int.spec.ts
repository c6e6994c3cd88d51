import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { NatsConnection } from '@nats-io/nats-core';
import { ContractViolation, type EventLog, type WorkOptions, type Worker } from './index.js';
import { HeaderBlock } from './headers.js';
import { publishUntilStored } from './publish.js';
import { openTestLog, pauseRequested, startNatsServer, type TestServer } from './testing/index.js';

jest.setTimeout(60_000);

describe('work shared by replicas', () => {
  let server: TestServer;
  let nc: NatsConnection;
  let log: EventLog;
  let runs = 0;
  const workers: Worker[] = [];
  const newRun = (): string => `run-${(runs += 1)}`;

  const work = (run: string, options: Partial<WorkOptions> & Pick<WorkOptions, 'handler'>): Worker => {
    const worker = log.work({ durable: `work-${run}`, filters: [`*.*.*.${run}`], backoffMs: [10], ...options });
    workers.push(worker);
    return worker;
  };

  beforeAll(async () => {
    server = await startNatsServer();
    ({ nc, log } = await openTestLog(server));
  });
  afterAll(async () => {
    await Promise.all(workers.map((worker) => worker.stop()));
    await nc?.close();
    await server?.stop();
  });

  it('gives each event to one replica, many at once', async () => {
    const run = newRun();
    const done = new Map<string, number>();
    let running = 0;
    let most = 0;
    const handler = async ({ id }: { id: string }): Promise<void> => {
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
      done.set(id, (done.get(id) ?? 0) + 1);
    };
    const replicas = [1, 2].map(() => work(run, { handler, concurrency: 8 }));
    await Promise.all(replicas.map(({ ready }) => ready));
    await Promise.all(Array.from({ length: 400 }, (_, i) => log.append(pauseRequested(run, `${run}.${i}`))));
    await until(() => done.size === 400);
    expect([...done.values()].every((times) => times === 1)).toBe(true);
    expect(most).toBeGreaterThan(4);
    expect(most).toBeLessThanOrEqual(16);
  });

  it('tries again after an error, later each time, and puts it aside in the end', async () => {
    const run = newRun();
    const attempts: number[] = [];
    work(run, {
      maxDeliver: 3,
      handler: (_, { attempt }) => {
        attempts.push(attempt);
        throw new Error('the moon is in the wrong phase');
      },
    });
    const { seq } = await log.append(pauseRequested(run, `${run}.bad`));
    const letter = await deadLetterOf(seq);
    const poison = { stream: 'FLEX', seq, subject: letter.subject, time: 0, headers: '', data: Buffer.from('') };
    await log.deadLetters.add(poison, 'again', `work-${run}`);
    expect((await log.deadLetters.list()).filter(({ streamSeq }) => streamSeq === seq)).toEqual([letter]);
    expect(attempts).toEqual([1, 2, 3]);
    expect(letter).toMatchObject({
      consumer: `work-${run}`,
      streamSeq: seq,
      stream: 'FLEX',
      reason: 'failed 3 times, at last: the moon is in the wrong phase',
    });
    expect(JSON.parse(letter.data)).toEqual({ reason: 'a test', by: 'tester' });
  });

  it('puts a broken contract aside at once, and goes on with the next', async () => {
    const run = newRun();
    const done: string[] = [];
    work(run, {
      handler: ({ id }) => {
        if (id.endsWith('refused')) throw new ContractViolation('no such capability');
        done.push(id);
      },
    });
    const subject = `run.pause_requested.${String(log.partitionOf(run)).padStart(2, '0')}.${run}`;
    const poison = await publishUntilStored(nc, subject, new HeaderBlock(), Buffer.from('garbage'));
    const refused = await log.append(pauseRequested(run, `${run}.refused`));
    await log.append(pauseRequested(run, `${run}.good`));
    await until(() => done.length === 1);
    expect(await deadLetterOf(refused.seq)).toMatchObject({ reason: 'no such capability' });
    expect(await deadLetterOf(poison.seq)).toMatchObject({ reason: expect.stringContaining('schema version') });
  });

  it('replays a dead letter to where it came from, once', async () => {
    const run = newRun();
    let broken = true;
    const done: string[] = [];
    work(run, {
      handler: ({ id }) => {
        if (broken) throw new ContractViolation('not yet');
        done.push(id);
      },
    });
    const { seq } = await log.append(pauseRequested(run, `${run}.x`));
    const letter = await deadLetterOf(seq);
    expect(await log.deadLetters.show(letter.seq)).toEqual(letter);
    broken = false;
    const replayed = await log.deadLetters.replay(letter.seq);
    const again = await log.deadLetters.replay(letter.seq);
    await until(() => done.length === 1);
    expect(again).toEqual({ seq: replayed.seq, duplicate: true });
    expect(done[0]).toMatch(/^replay\./);
    await expect(log.deadLetters.replay(999_999)).rejects.toThrow('no dead letter');
  });

  it('keeps slow work alive past its ack wait', async () => {
    const run = newRun();
    let calls = 0;
    const worker = work(run, {
      ackWaitMs: 300,
      handler: async () => {
        calls += 1;
        await new Promise((resolve) => setTimeout(resolve, 1_500));
      },
    });
    await worker.ready;
    await log.append(pauseRequested(run, `${run}.slow`));
    await until(() => calls > 0);
    await until(() => worker.running === 0);
    expect(calls).toBe(1);
  });

  it('gives the work of a replica that vanished to another one', async () => {
    const run = newRun();
    const other = await openTestLog(server);
    const got: string[] = [];
    const hangs = new Promise<void>(() => undefined);
    const lost = other.log.work({
      durable: `work-${run}`,
      filters: [`*.*.*.${run}`],
      ackWaitMs: 400,
      handler: () => hangs,
    });
    await lost.ready;
    await log.append(pauseRequested(run, `${run}.x`));
    await until(() => lost.running === 1);
    await other.nc.close();
    work(run, { ackWaitMs: 400, handler: ({ id }) => void got.push(id) });
    await until(() => got.length === 1);
    expect(got).toEqual([`${run}.x`]);
  });

  it('stops by finishing what runs and giving back what waits', async () => {
    const run = newRun();
    const first: string[] = [];
    const second: string[] = [];
    let release!: () => void;
    const gate = new Promise<void>((resolve) => (release = resolve));
    const stopping = work(run, {
      prefetch: 5,
      handler: async ({ id }) => {
        await gate;
        first.push(id);
      },
    });
    await stopping.ready;
    await Promise.all(Array.from({ length: 6 }, (_, i) => log.append(pauseRequested(run, `${run}.${i}`))));
    await until(() => stopping.running === 1);
    const stopped = stopping.stop();
    release();
    await stopped;
    work(run, { handler: ({ id }) => void second.push(id) });
    await until(() => first.length + second.length === 6);
    expect(first).toHaveLength(1);
  });

  it('leaves nothing to the ack wait that is on its way to a replica which stops', async () => {
    const run = newRun();
    const done = new Set<string>();
    const handler = ({ id }: { id: string }): void => void done.add(id);
    // All share the durable consumer; a lost delivery would come again after ten minutes.
    const replica = (): Worker => work(run, { handler, concurrency: 4, ackWaitMs: 600_000 });
    const stays = replica();
    await stays.ready;
    let appended = 0;
    let going = true;
    const appending = Promise.all(
      Array.from({ length: 8 }, async () => {
        while (going) await log.append(pauseRequested(run, `${run}.${(appended += 1)}`));
      }),
    );
    for (let i = 0; i < 40; i++) {
      const goes = replica();
      await goes.ready;
      const before = appended;
      await until(() => appended > before + 20);
      await goes.stop();
    }
    going = false;
    await appending;
    const deadline = Date.now() + 5_000;
    await until(() => done.size === appended || Date.now() > deadline);
    expect(done.size).toBe(appended);
  });

  it('goes on after the server was killed and its consumer deleted', async () => {
    const run = newRun();
    const seen = new Set<string>();
    const worker = work(run, { concurrency: 4, handler: ({ id }) => void seen.add(id) });
    await worker.ready;
    await log.append(pauseRequested(run, `${run}.1`));
    await until(() => seen.size === 1);
    await server.kill();
    await server.start();
    await log.append(pauseRequested(run, `${run}.2`));
    await until(() => seen.size === 2);
    await (await log.manager()).consumers.delete('FLEX', `work-${run}`);
    await log.append(pauseRequested(run, `${run}.3`));
    await until(() => seen.size === 3);
  });

  async function deadLetterOf(seq: number) {
    for (;;) {
      const letter = (await log.deadLetters.list()).find(({ streamSeq }) => streamSeq === seq);
      if (letter) return letter;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
});

/** Waits for a condition that other things make true. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
}
