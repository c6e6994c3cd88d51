import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { NatsConnection } from '@nats-io/nats-core';
import type { NewEvent } from '@flex/contracts';
import { AppendRefused, ContractViolation, FenceLost, type EventLog, type LogEvent } from './index.js';
import { headersOf } from './encode-event.js';
import { LOG_STREAM } from './names.js';
import { OrderedReader } from './ordered-reader.js';
import { headerBlock } from './stored-message.js';
import { publishUntilStored } from './publish.js';
import { HeaderBlock } from './headers.js';
import { openTestLog, pauseRequested, startNatsServer, type TestServer } from './testing/index.js';

jest.setTimeout(60_000);

/** What the log promises, in sentences. Every service is built on these and on nothing else. */
describe('the log', () => {
  let server: TestServer;
  let nc: NatsConnection;
  let log: EventLog;
  let runs = 0;
  const newRun = (): string => `run-${(runs += 1)}`;
  const collect = async (runId: string): Promise<LogEvent[]> => {
    const events: LogEvent[] = [];
    for await (const event of log.readRun(runId)) events.push(event);
    return events;
  };

  beforeAll(async () => {
    server = await startNatsServer();
    ({ nc, log } = await openTestLog(server));
  });
  afterAll(async () => {
    await nc?.close();
    await server?.stop();
  });

  describe('append', () => {
    it('gives back what was appended, with sequence, server time, source and version', async () => {
      const run = newRun();
      const before = Date.now();
      const { seq, duplicate } = await log.append({ ...pauseRequested(run, `${run}.pause`), traceparent: '00-a-b-01' });
      const [event] = await collect(run);
      expect(duplicate).toBe(false);
      expect(event).toMatchObject({ type: 'run.pause_requested', runId: run, id: `${run}.pause`, seq, version: 1 });
      expect(event?.data).toEqual({ reason: 'a test', by: 'tester' });
      expect(event?.source).toBe('orchestrator');
      expect(event?.traceparent).toBe('00-a-b-01');
      expect(event?.time).toBeGreaterThanOrEqual(before - 5);
      expect(event?.time).toBeLessThanOrEqual(Date.now() + 5);
    });

    it('stores an event of one id once, however often it is appended', async () => {
      const run = newRun();
      const first = await log.append(pauseRequested(run, `${run}.pause`));
      const again = await Promise.all([1, 2, 3].map(() => log.append(pauseRequested(run, `${run}.pause`))));
      for (const ack of again) expect(ack).toEqual({ seq: first.seq, duplicate: true });
      expect(await collect(run)).toHaveLength(1);
    });

    it('begins a run once, under whatever id its submission comes again', async () => {
      const run = newRun();
      const submitted = (id: string): NewEvent<'run.submitted'> => ({
        type: 'run.submitted',
        runId: run,
        id,
        data: {
          envelope: { objective: id, outputContract: { mode: 'freeform', instructions: 'one word' } },
          tenant: 'default',
          correlationId: 'c',
        },
      });
      const first = await log.append(submitted('first'));
      await log.append(pauseRequested(run, `${run}.pause`));
      expect(await log.append(submitted('second'))).toEqual({ seq: first.seq, duplicate: true });
      expect((await collect(run)).map(({ id }) => id)).toEqual(['first', `${run}.pause`]);
    });

    it('refuses data that breaks the schema before anything is sent', async () => {
      const broken = { ...pauseRequested('r', 'x'), data: { reason: 7 } } as never;
      await expect(log.append(broken)).rejects.toThrow(ContractViolation);
      await expect(log.append(pauseRequested('two.tokens', 'x'))).rejects.toThrow(/not a run id/);
      await expect(log.append(pauseRequested('*', 'x'))).rejects.toThrow(/not a run id/);
    });

    it('carries any text in ids and data', async () => {
      const run = newRun();
      await log.append(pauseRequested(run, `${run} with spaces, ünïcode 100%\r\nEvil: header`, '“日本語” \u0000 \r\n'));
      const [event] = await collect(run);
      expect(event?.data).toMatchObject({ reason: '“日本語” \u0000 \r\n' });
      expect(event?.id).toBe(`${run} with spaces, ünïcode 100%\r\nEvil: header`);
    });

    it('has the same digest for the same event, and another for another', async () => {
      const run = newRun();
      await log.append(pauseRequested(run, 'a'));
      await log.append(pauseRequested(run, 'b'));
      const [a, b] = await collect(run);
      const [again] = await collect(run);
      expect(a?.digest()).toMatch(/^[0-9a-f]{64}$/);
      expect(again?.digest()).toBe(a?.digest());
      expect(b?.digest()).not.toBe(a?.digest());
    });
  });

  describe('a paced reader', () => {
    it('gets everything in order, many at a time, and at once when told to hurry', async () => {
      const run = newRun();
      const reader = new OrderedReader({ nc, stream: LOG_STREAM, filters: [`*.*.*.${run}`], paceMs: () => 300 });
      const ids: string[] = [];
      const batches: number[] = [];
      const take = async (count: number): Promise<void> => {
        while (ids.length < count) {
          const batch = (await reader.take(1_000))!;
          batches.push(batch.length);
          for (const { message } of batch) ids.push(headerBlock(message).match(/Nats-Msg-Id: (\S+)/)![1]!);
        }
      };
      await log.append(pauseRequested(run, '0'));
      await take(1);
      for (const i of range(50)) await log.append(pauseRequested(run, `${i + 1}`));
      await take(51);
      expect(ids).toEqual(range(51).map(String));
      expect(batches.length).toBeLessThan(10);

      const began = performance.now();
      for (const i of range(5)) await log.append(pauseRequested(run, `${i + 51}`));
      reader.hurry();
      await take(56);
      expect(performance.now() - began).toBeLessThan(250);
      for (const i of range(5)) await log.append(pauseRequested(run, `${i + 56}`));
      await take(61);
      reader.close();
      expect(ids).toEqual(range(61).map(String));
    });
  });

  describe('a claim', () => {
    it('is taken by one of many that try at once', async () => {
      const claims = await Promise.all(['a', 'b', 'c', 'd'].map((owner) => log.claimPartition(3, owner)));
      expect(claims.filter(Boolean)).toHaveLength(1);
    });

    it('lets its owner append in order and ends with the next claim', async () => {
      const run = newRun();
      const partition = log.partitionOf(run);
      const first = await log.claimPartition(partition, 'first');
      const writer = log.fencedWriter(first!);
      const acks = await Promise.all(range(100).map((i) => writer.append(pauseRequested(run, `${run}.${i}`))));
      expect(acks.map(({ seq }) => seq)).toEqual([...acks.map(({ seq }) => seq)].sort((a, b) => a - b));

      const second = await log.claimPartition(partition, 'second');
      const refused = await Promise.allSettled(range(40).map((i) => writer.append(pauseRequested(run, `late.${i}`))));
      for (const result of refused) expect(result).toMatchObject({ status: 'rejected', reason: expect.any(FenceLost) });
      await expect(writer.append(pauseRequested(run, 'later'))).rejects.toThrow(FenceLost);
      await expect(log.appendFenced(pauseRequested(run, 'later'), first!)).rejects.toThrow(FenceLost);

      await log.appendFenced(pauseRequested(run, `${run}.second`), second!);
      const ids = (await collect(run)).map(({ id }) => id);
      expect(ids).toEqual([...range(100).map((i) => `${run}.${i}`), `${run}.second`]);
    });

    it('tells an owner that asks for no acks, too', async () => {
      const run = newRun();
      const partition = log.partitionOf(run);
      const writer = log.fencedWriter((await log.claimPartition(partition, 'first'))!, { echoed: true });
      const tail = log.tail({ filters: [`*.*.*.${run}`] });
      void (async () => {
        for await (const batch of tail) for (const { id, seq } of batch) writer.arrived(id, seq);
      })();
      const acks = await Promise.all(range(40).map((i) => writer.append(pauseRequested(run, `${run}.${i}`))));
      expect(acks.map(({ seq }) => seq)).toEqual((await collect(run)).map(({ seq }) => seq));
      // Stored before: no second message comes out of the log for it, and the answer is the first one's place.
      expect(await writer.append(pauseRequested(run, `${run}.7`))).toEqual({ seq: acks[7]!.seq, duplicate: true });

      await log.claimPartition(partition, 'second');
      await expect(writer.append(pauseRequested(run, 'late'))).rejects.toThrow(FenceLost);
      tail.close();
      expect(await collect(run)).toHaveLength(40);
    });

    it('does not keep others from appending what needs no claim', async () => {
      const run = newRun();
      await log.claimPartition(log.partitionOf(run), 'owner');
      await expect(log.append(pauseRequested(run, `${run}.x`))).resolves.toMatchObject({ duplicate: false });
    });

    it('is the last event of its subject', async () => {
      const claim = await log.claimPartition(5, 'me');
      expect(await log.lastSeq('partition.claimed.05')).toBe(claim?.seq);
      expect(await log.lastSeq('partition.claimed.99')).toBe(0);
    });
  });

  describe('a tail', () => {
    it('delivers what lies there and what comes, in batches, and says when it has caught up', async () => {
      const run = newRun();
      await Promise.all(range(300).map((i) => log.append(pauseRequested(run, `${run}.${i}`))));
      const stop = new AbortController();
      const tail = log.tail({ filters: [`*.*.*.${run}`], signal: stop.signal });
      let batches = 0;
      const seen: string[] = [];
      void tail.caughtUp.then(() => log.append(pauseRequested(run, `${run}.live`)));
      for await (const batch of tail) {
        batches += 1;
        for (const event of batch) seen.push(event.id);
        if (seen.length === 301) stop.abort();
      }
      expect(new Set(seen).size).toBe(301);
      expect(seen.at(-1)).toBe(`${run}.live`);
      expect(tail.isCaughtUp).toBe(true);
      expect(batches).toBeLessThan(100);
    });

    it('delivers much more than fits into one request, without stalling', async () => {
      const run = newRun();
      const text = 'x'.repeat(240_000);
      const data = { nodeId: 'n', attempt: 1, text };
      await Promise.all(
        range(150).map((i) => log.append({ type: 'node.progressed', runId: run, key: 'c', id: `${run}.${i}`, data })),
      );
      const tail = log.tail({ filters: [`*.*.*.${run}.>`] });
      const seen: string[] = [];
      while (seen.length < 150) for (const event of (await tail.next()) ?? []) seen.push(event.id);
      tail.close();
      expect(new Set(seen).size).toBe(150);
    });

    it('is caught up at once when nothing matches', async () => {
      const tail = log.tail({ filters: ['*.*.*.no-such-run'] });
      await expect(tail.caughtUp).resolves.toBeUndefined();
      tail.close();
      expect(await tail.next()).toBeUndefined();
    });

    it('ends when it is closed, aborted, or its connection is', async () => {
      const other = await openTestLog(server);
      const stop = new AbortController();
      const tails = [log.tail(), log.tail({ signal: stop.signal }), other.log.tail()].map((tail) => {
        const ended = (async () => {
          for await (const batch of tail) void batch;
        })();
        return { tail, ended };
      });
      await Promise.all(tails.map(({ tail }) => tail.caughtUp));
      tails[0]!.tail.close();
      stop.abort();
      await other.nc.close();
      await Promise.all(tails.map(({ ended }) => ended));
    });

    it('starts where it is told, and by partition', async () => {
      const run = newRun();
      const first = await log.append(pauseRequested(run, `${run}.1`));
      const second = await log.append(pauseRequested(run, `${run}.2`));
      const tail = log.tail({ partitions: [log.partitionOf(run)], fromSeq: first.seq + 1 });
      const batch = await tail.next();
      tail.close();
      expect(batch?.[0]).toMatchObject({ seq: second.seq, id: `${run}.2` });
    });

    it('hands over what breaks its contract with the reason, and goes on', async () => {
      const run = newRun();
      const token = String(log.partitionOf(run)).padStart(2, '0');
      const raw = (subject: string, headers: HeaderBlock, data: string) =>
        publishUntilStored(nc, subject, headers, Buffer.from(data));
      const good = await log.encoder.encode(pauseRequested(run, `${run}.good`));
      const block = (version: number): HeaderBlock =>
        new HeaderBlock(`ce-dataschema: urn:flex:run.pause_requested:${version}\r\n`);
      const subject = `run.pause_requested.${token}.${run}`;
      await raw(`run.invented.${token}.${run}`, new HeaderBlock(), '{}');
      await raw(subject, block(1).add('Nats-Msg-Id', `${run}.nojson`), 'not json');
      await raw(subject, block(1).add('Nats-Msg-Id', `${run}.shape`), '{"reason":5}');
      await raw(subject, block(99).add('Nats-Msg-Id', `${run}.future`), '{}');
      await raw(subject, block(1), '{"by":"tester"}');
      await raw(subject, new HeaderBlock().add('Nats-Msg-Id', `${run}.noversion`), '{}');
      await publishUntilStored(nc, good.subject, headersOf(good), good.data);
      const reasons: string[] = [];
      const tail = log.tail({ filters: [`*.*.*.${run}`], onPoison: (reason) => void reasons.push(reason) });
      const batch = await tail.next();
      tail.close();
      expect(batch?.map(({ id }) => id)).toEqual([`${run}.good`]);
      expect(reasons).toEqual([
        expect.stringContaining('unknown event type run.invented'),
        expect.stringContaining('JSON'),
        expect.stringContaining('/reason'),
        expect.stringContaining('version 99'),
        expect.stringContaining('no id'),
        expect.stringContaining('no schema version'),
      ]);
    });
  });

  describe('reading one run', () => {
    it('ends where the log ended, and may start at a sequence', async () => {
      const run = newRun();
      expect(await collect(run)).toEqual([]);
      const acks = await Promise.all(range(5).map((i) => log.append(pauseRequested(run, `${run}.${i}`))));
      const rest: number[] = [];
      for await (const event of log.readRun(run, { fromSeq: acks[3]!.seq })) rest.push(event.seq);
      expect(rest).toEqual([acks[3]!.seq, acks[4]!.seq]);
    });

    it('ends when it was over before it began: nobody waits for what never comes', async () => {
      const run = newRun();
      await log.append(pauseRequested(run, run));
      const events: LogEvent[] = [];
      for await (const event of log.readRun(run, { signal: AbortSignal.abort() })) events.push(event);
      expect(events).toEqual([]);
      const reader = new OrderedReader({ nc, stream: LOG_STREAM, signal: AbortSignal.abort() });
      expect(await reader.attached).toBeUndefined();
      const closed = new OrderedReader({ nc, stream: LOG_STREAM });
      closed.close();
      expect(await closed.attached).toBeUndefined();
    });
  });

  it('says no when the server says no', async () => {
    await expect(
      publishUntilStored(nc, 'run.x.00.y', new HeaderBlock().add('Nats-Expected-Stream', 'OTHER'), Buffer.alloc(0)),
    ).rejects.toThrow(AppendRefused);
  });
});

const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
