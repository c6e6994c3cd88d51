import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { NatsConnection } from '@nats-io/nats-core';
import type { EventLog } from './index.js';
import { openTestLog, pauseRequested, startNatsServer, type TestServer } from './testing/index.js';

jest.setTimeout(60_000);

/** The server is killed (SIGKILL) in the middle: nothing is lost, nothing comes twice, nobody has to be restarted. */
describe('a server that is killed and started again', () => {
  let server: TestServer;
  let nc: NatsConnection;
  let log: EventLog;

  beforeEach(async () => {
    server = await startNatsServer();
    ({ nc, log } = await openTestLog(server));
  });
  afterEach(async () => {
    await nc?.close();
    await server?.stop();
  });

  const bounce = async (): Promise<void> => {
    await server.kill();
    await server.start();
  };

  it('does not disturb a tail: no gap, no repeat, in order', async () => {
    const total = 3_000;
    const seen: string[] = [];
    const tail = log.tail({ filters: ['*.*.*.run'] });
    const reading = (async () => {
      for await (const batch of tail) {
        for (const event of batch) seen.push(event.id);
        if (seen.length >= total) return;
      }
    })();
    let appended = 0;
    const writing = (async () => {
      for (let i = 0; i < total; i += 50) {
        await Promise.all(Array.from({ length: 50 }, (_, j) => log.append(pauseRequested('run', `run.${i + j}`))));
        appended = i + 50;
      }
    })();
    for (const mark of [500, 1_500]) {
      await until(() => appended >= mark);
      await bounce();
    }
    await Promise.all([writing, reading]);
    expect(seen).toHaveLength(total);
    expect(new Set(seen).size).toBe(total);
  });

  it.each([
    ['acks', false],
    ['its own echo', true],
  ])('does not break the order or the fence of an owner that goes by %s', async (_, echoed) => {
    const claim = await log.claimPartition(log.partitionOf('run'), 'owner');
    const writer = log.fencedWriter(claim!, { window: 32, echoed });
    const tail = log.tail({ filters: ['*.*.*.run'] });
    if (echoed)
      void (async () => {
        for await (const batch of tail) for (const { id, seq } of batch) writer.arrived(id, seq);
      })();
    const total = 3_000;
    let stored = 0;
    const acks = Array.from({ length: total }, (_, i) =>
      writer.append(pauseRequested('run', `run.${i}`)).then((ack) => ((stored += 1), ack)),
    );
    for (const mark of [200, 1_200]) {
      await until(() => stored >= mark);
      await bounce();
    }
    const seqs = (await Promise.all(acks)).map(({ seq }) => seq);
    tail.close();
    expect(seqs).toEqual([...seqs].sort((a, b) => a - b));
    const ids: string[] = [];
    for await (const event of log.readRun('run')) ids.push(event.id);
    expect(ids).toEqual(Array.from({ length: total }, (_, i) => `run.${i}`));
  });

  it('lets appends and tails wait that began while it was away', async () => {
    await log.append(pauseRequested('run', 'before'));
    await server.kill();
    const tail = log.tail();
    const appended = log.append(pauseRequested('run', 'during'));
    await server.start();
    await appended;
    const ids: string[] = [];
    while (ids.length < 2) for (const event of (await tail.next()) ?? []) ids.push(event.id);
    tail.close();
    expect(ids).toEqual(['before', 'during']);
  });

  it('does not lose large payloads that are on their way', async () => {
    const text = 'x'.repeat(4_000_000);
    const claim = await log.claimPartition(log.partitionOf('run'), 'owner');
    const writer = log.fencedWriter(claim!);
    const big = (i: number) =>
      writer.append({
        type: 'node.progressed',
        runId: 'run',
        key: 'c',
        id: `big.${i}`,
        data: { nodeId: 'n', attempt: i, text: text + i },
      });
    const tail = log.tail({ filters: ['node.progressed.>'] });
    const acks = [1, 2, 3, 4].map((i) => big(i));
    await acks[0];
    await bounce();
    await Promise.all(acks);
    const ids: string[] = [];
    while (ids.length < 4) for (const event of (await tail.next()) ?? []) ids.push(event.id);
    tail.close();
    expect(ids).toEqual(['big.1', 'big.2', 'big.3', 'big.4']);
  });

  it('that was only frozen is noticed, and nothing is stored twice', async () => {
    server.signal('SIGSTOP');
    // The signal takes its time: frozen is who does not answer.
    while (await answers(nc));
    const appended = log.append(pauseRequested('run', 'frozen'));
    setTimeout(() => server.signal('SIGCONT'), 4_000);
    await appended;
    const ids: string[] = [];
    for await (const event of log.readRun('run')) ids.push(event.id);
    expect(ids).toEqual(['frozen']);
  });
});

/** Whether the server answers within a fifth of a second. */
function answers(nc: NatsConnection): Promise<boolean> {
  const answer = nc.rtt().then(
    () => true,
    () => false,
  );
  const silence = new Promise<boolean>((resolve) => setTimeout(() => resolve(false), 200));
  return Promise.race([answer, silence]);
}

/** Waits for a condition that other things make true. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
}
