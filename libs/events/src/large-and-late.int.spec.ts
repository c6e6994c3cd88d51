import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { NatsConnection } from '@nats-io/nats-core';
import type { NewEvent } from '@flex/contracts';
import { openEventLog, type EventLog, type LogEvent } from './index.js';
import { openTestLog, pauseRequested, startNatsServer, type TestServer } from './testing/index.js';

jest.setTimeout(60_000);

describe('large payloads and timers', () => {
  let server: TestServer;
  let nc: NatsConnection;
  let log: EventLog;
  const collect = async (runId: string, from: EventLog = log): Promise<LogEvent[]> => {
    const events: LogEvent[] = [];
    for await (const event of from.readRun(runId)) events.push(event);
    return events;
  };
  const timer = (runId: string, id: string, at: number): NewEvent => ({ type: 'timer.set', runId, id, data: { at } });
  const firedOf = async (runId: string, count: number): Promise<LogEvent[]> => {
    const tail = log.tail({ filters: [`timer.fired.*.${runId}`] });
    const fired: LogEvent[] = [];
    while (fired.length < count) fired.push(...((await tail.next()) ?? []));
    tail.close();
    return fired;
  };

  beforeAll(async () => {
    server = await startNatsServer();
    ({ nc, log } = await openTestLog(server));
  });
  afterAll(async () => {
    await nc?.close();
    await server?.stop();
  });

  describe('a payload of 20 MB', () => {
    const text = randomBytes(10 * 1024 * 1024).toString('hex');

    it('goes in and comes out like any other, also for another reader', async () => {
      const run = 'large';
      const writer = log.fencedWriter((await log.claimPartition(log.partitionOf(run), 'me'))!);
      const acks = await Promise.all([
        writer.append(pauseRequested(run, 'before')),
        writer.append({
          type: 'node.progressed',
          runId: run,
          key: 'cap',
          id: 'big',
          data: { nodeId: 'n', attempt: 1, text },
        }),
        writer.append(pauseRequested(run, 'after')),
      ]);
      expect(acks.map(({ seq }) => seq)).toEqual([...acks.map(({ seq }) => seq)].sort((a, b) => a - b));
      const reader = await openEventLog({ nc, source: 'gateway' });
      const [, mine] = await collect(run);
      const [, theirs] = await collect(run, reader);
      // Not toEqual: a difference of 20 MB would be printed.
      for (const event of [mine!, theirs!]) expect((event.data as { text: string }).text === text).toBe(true);
      expect(theirs?.digest()).toBe(mine?.digest());
    });

    it('is small in the log, and leaves it with the run', async () => {
      const jsm = await log.manager();
      expect((await jsm.streams.info('FLEX')).state.bytes).toBeLessThan(20_000);
      expect((await jsm.streams.info('OBJ_flex_claims')).state.bytes).toBeGreaterThan(text.length);
      expect(await log.purgeRun('large')).toBe(3);
      expect((await jsm.streams.info('OBJ_flex_claims')).state.bytes).toBeLessThan(20_000);
      expect(await collect('large')).toEqual([]);
    });

    it('leaves with its own run only, whenever it came', async () => {
      const text = 'y'.repeat(300_000);
      const put = (runId: string, id: string) =>
        log.append({ type: 'node.progressed', runId, key: 'cap', id, data: { nodeId: id, attempt: 1, text } });
      await put('one', 'one.1');
      await put('two', 'two.1');
      // Whoever may store payloads may write this; it stops nobody.
      for (const text of ['no JSON', 'null', '7']) {
        const name = Buffer.from('one/payload-1').toString('base64').replaceAll('+', '-').replaceAll('/', '_');
        await nc.request(`$O.flex_claims.M.${name}`, text);
        const late = await openEventLog({ nc, source: 'gateway' });
        expect(await late.purgeRun('one')).toBe(text === 'no JSON' ? 1 : 0);
      }
      await put('one', 'one.1b');
      expect(await log.purgeRun('one')).toBe(1);
      await put('one', 'one.2');
      const fresh = await openEventLog({ nc, source: 'gateway' });
      expect((await collect('two', fresh)).length).toBe(1);
      // The bytes of the same content came back with the run, and go with it again.
      expect((await collect('one', fresh)).length).toBe(1);
      expect(await fresh.purgeRun('one')).toBe(1);
      expect(await fresh.purgeRun('two')).toBe(1);
      const { state } = await (await log.manager()).streams.info('OBJ_flex_claims');
      expect(state.bytes).toBeLessThan(20_000);
    });

    it('that was lost or altered in the store is a broken contract, not a wrong value', async () => {
      const data = { nodeId: 'n', attempt: 1, text: 'x'.repeat(300_000) };
      const ack = await log.append({ type: 'node.progressed', runId: 'lost', key: 'cap', id: 'lost', data });
      const jsm = await log.manager();
      await jsm.streams.purge('OBJ_flex_claims');
      const reader = await openEventLog({ nc, source: 'gateway' });
      expect(await collect('lost', reader)).toEqual([]);
      const letters = await log.deadLetters.list();
      expect(letters.find(({ streamSeq }) => streamSeq === ack.seq)?.reason).toContain('not in the object store');
    });
  });

  describe('a timer', () => {
    it('fires once at its time, as an event of its run', async () => {
      const at = Date.now() + 300;
      await log.append(timer('t1', 't1.1', at));
      const [fired] = await firedOf('t1', 1);
      expect(fired).toMatchObject({ type: 'timer.fired', runId: 't1', data: { at }, source: 'server', version: 1 });
      expect(fired!.time).toBeGreaterThanOrEqual(at - 50);
      expect(fired!.time).toBeLessThan(at + 1_500);
      expect((await collect('t1')).map(({ type }) => type)).toEqual(['timer.fired']);
    });

    it('replaces the one before, and its time may have passed already', async () => {
      await log.append(timer('t2', 't2.1', Date.now() + 3_600_000));
      const past = Date.now() - 5_000;
      await log.append(timer('t2', 't2.2', past));
      const [fired] = await firedOf('t2', 1);
      expect(fired).toMatchObject({ data: { at: past } });
      expect((await collect('t2')).map(({ type }) => type)).toEqual(['timer.fired']);
    });

    it('is set under the fence, and cancelled in one step with the event that makes it needless', async () => {
      const claim = await log.claimPartition(log.partitionOf('t3'), 'me');
      const writer = log.fencedWriter(claim!);
      await writer.append(timer('t3', 't3.1', Date.now() + 60_000));
      expect((await collect('t3')).map(({ type }) => type)).toEqual(['timer.set']);
      await writer.append(pauseRequested('t3', 't3.end'), { cancelsTimer: true });
      expect((await collect('t3')).map(({ type }) => type)).toEqual(['run.pause_requested']);
      await log.claimPartition(log.partitionOf('t3'), 'other');
      await expect(writer.append(timer('t3', 't3.2', Date.now()))).rejects.toThrow('claimed by another owner');
    });

    it('fires once over crashes of the server: when it was due meanwhile, and when it is due later', async () => {
      await log.append(timer('t4', 't4.1', Date.now() + 200));
      await log.append(timer('t5', 't5.1', Date.now() + 2_000));
      await server.kill();
      await new Promise((resolve) => setTimeout(resolve, 500));
      await server.start();
      const [overdue] = await firedOf('t4', 1);
      const [later] = await firedOf('t5', 1);
      expect(overdue?.runId).toBe('t4');
      expect(later?.runId).toBe('t5');
      await server.kill();
      await server.start();
      for (const run of ['t4', 't5']) expect((await collect(run)).map(({ type }) => type)).toEqual(['timer.fired']);
    });
  });
});
