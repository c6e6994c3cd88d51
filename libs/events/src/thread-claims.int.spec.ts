import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { NatsConnection } from '@nats-io/nats-core';
import type { NewEvent } from '@flex/contracts';
import { ThreadClaims, type EventLog, type ThreadClaim } from './index.js';
import { openTestLog, startNatsServer, type TestServer } from './testing/index.js';

jest.setTimeout(60_000);

describe('a thread of runs', () => {
  let server: TestServer;
  let nc: NatsConnection;
  let log: EventLog;
  let claims: ThreadClaims;
  const submitted = (runId: string): NewEvent => ({
    type: 'run.submitted',
    runId,
    id: `run.submitted.${runId}`,
    data: {
      envelope: { objective: 'x', outputContract: { mode: 'freeform', instructions: 'x' } },
      tenant: 'default',
      correlationId: runId,
    },
  });

  beforeAll(async () => {
    server = await startNatsServer();
    ({ nc, log } = await openTestLog(server));
    claims = new ThreadClaims(log);
  });
  afterAll(async () => {
    await nc?.close();
    await server?.stop();
  });

  it('is claimed by one of many at once, and its last claim names who was open', async () => {
    const subject = ThreadClaims.subjectOf('default', 'one');
    const takes = await Promise.all(
      Array.from({ length: 8 }, (_, i) => claims.take(subject, 0, { runId: `r${i}`, open: ['older'] })),
    );
    expect(takes.filter((claim) => claim !== undefined)).toHaveLength(1);
    const winner = takes.findIndex((claim) => claim !== undefined);
    expect(await claims.last(subject)).toEqual({ ...takes[winner], runId: `r${winner}`, open: ['older'] });
  });

  it('takes a submission under its last claim only', async () => {
    const subject = ThreadClaims.subjectOf('default', 'two');
    const first = (await claims.take(subject, 0, { runId: 'a', open: [] }))!;
    const second = (await claims.take(subject, first.seq, { runId: 'b', open: ['a'] }))!;
    const under = (runId: string, thread: ThreadClaim) => log.append(submitted(runId), { thread });
    await expect(under('a', first)).rejects.toThrow('wrong last sequence');
    expect(await under('b', second)).toMatchObject({ duplicate: false });
    expect(await claims.take(subject, first.seq, { runId: 'c', open: [] })).toBeUndefined();
  });

  it('keeps one claim, and is another one in another tenant', async () => {
    const subject = ThreadClaims.subjectOf('default', 'three');
    let seq = 0;
    for (const runId of ['a', 'b', 'c']) seq = (await claims.take(subject, seq, { runId, open: [] }))!.seq;
    const info = await (await log.manager()).streams.info('FLEX', { subjects_filter: subject });
    expect(info.state.subjects).toEqual({ [subject]: 1 });
    expect(await claims.last(ThreadClaims.subjectOf('acme', 'three'))).toBeUndefined();
  });

  it('goes on after a claim that nobody can read', async () => {
    const subject = ThreadClaims.subjectOf('default', 'four');
    nc.publish(subject, 'no JSON');
    await nc.flush();
    const broken = (await claims.last(subject))!;
    expect(broken).toMatchObject({ runId: '', open: [] });
    expect(await claims.take(subject, broken.seq, { runId: 'a', open: [] })).toBeDefined();
  });
});
