import 'reflect-metadata';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Controller, Module, type INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, EventPattern, Payload, Transport } from '@nestjs/microservices';
import type { NatsConnection } from '@nats-io/nats-core';
import { ContractViolation, type EventLog, type LogEvent } from '../index.js';
import { openTestLog, pauseRequested, startNatsServer, type TestServer } from '../testing/index.js';
import { connectJetStream, JetStreamContext, OnEvent } from './index.js';

jest.setTimeout(60_000);

const handled: { id: string; attempt: number; by: string }[] = [];

@Controller()
class Reactions {
  @OnEvent('run.pause_requested', { backoffMs: [10], concurrency: 4 })
  onPauseRequested(@Payload() event: LogEvent<'run.pause_requested'>, @Ctx() context: JetStreamContext): void {
    handled.push({ id: event.id, attempt: context.attempt, by: 'first' });
    if (event.id === 'refused') throw new ContractViolation('not like this');
    if (event.id === 'again' && context.attempt === 1) throw new Error('later');
  }

  @OnEvent('run.resume_requested', { durable: 'named-by-hand' })
  async onResumeRequested(@Payload() event: LogEvent): Promise<void> {
    await Promise.resolve();
    handled.push({ id: event.id, attempt: 1, by: 'second' });
  }

  @EventPattern<string>('run.pause_requested', Transport.TCP)
  onAnotherTransport(): void {
    handled.push({ id: 'tcp', attempt: 0, by: 'wrong transport' });
  }
}

@Module({ controllers: [Reactions] })
class ReactionsModule {}

describe('the Nest transport on the log', () => {
  let server: TestServer;
  let nc: NatsConnection;
  let log: EventLog;
  let app: INestApplication;
  const failures: { reason: string; buried: boolean }[] = [];

  beforeAll(async () => {
    server = await startNatsServer();
    ({ nc, log } = await openTestLog(server));
    app = await NestFactory.create(ReactionsModule, { logger: false });
    const failed = ({ reason, buried }: { reason: string; buried: boolean }) => void failures.push({ reason, buried });
    const service = { name: 'reactions', log: { warn: failed, error: failed }, drain: { on: () => undefined } };
    connectJetStream(app, service as never, log);
    await app.init();
    await app.startAllMicroservices();
  });
  afterAll(async () => {
    await app?.close();
    await nc?.close();
    await server?.stop();
  });

  it('calls handlers with the event and its context, by the durable consumer that they name', async () => {
    await log.append(pauseRequested('run', 'paused'));
    await log.append({ type: 'run.resume_requested', runId: 'run', id: 'resumed', data: {} });
    await until(() => handled.length === 2);
    expect(handled).toContainEqual({ id: 'paused', attempt: 1, by: 'first' });
    expect(handled).toContainEqual({ id: 'resumed', attempt: 1, by: 'second' });
    const jsm = await log.manager();
    const names = await jsm.consumers.list('FLEX').next();
    expect(names.map(({ name }) => name).sort()).toEqual(['named-by-hand', 'reactions-run-pause_requested']);
  });

  it('tries again after an error, and buries what breaks its contract with the reason that the handler gave', async () => {
    await log.append(pauseRequested('run', 'again'));
    await log.append(pauseRequested('run', 'refused'));
    await until(() => handled.some(({ id, attempt }) => id === 'again' && attempt === 2) && failures.length === 2);
    expect(failures).toContainEqual({ reason: 'later', buried: false });
    expect(failures).toContainEqual({ reason: 'not like this', buried: true });
    expect(handled.filter(({ id }) => id === 'refused')).toHaveLength(1);
    expect(handled.some(({ by }) => by === 'wrong transport')).toBe(false);
  });
});

/** Waits for a condition that other things make true. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}
