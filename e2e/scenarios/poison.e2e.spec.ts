import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { jetstream } from '@nats-io/jetstream';
import { headers, type MsgHdrs } from '@nats-io/nats-core';
import {
  catalogue,
  claimSubject,
  registrySubject,
  runCatalogue,
  subjectOf,
  type EventType,
  type RunEventType,
} from '@flex/contracts';
import { readLogShape } from '@flex/events';
import { wellFormed } from '../harness/expectations.js';
import { natsAccess } from '../harness/nats-access.js';
import { example, target, unique } from '../harness/target.js';

const LAUNCHER = fileURLToPath(new URL('../../deploy/embedded/dist/main.js', import.meta.url));

interface Letter {
  seq: number;
  subject: string;
  reason: string;
  consumer: string;
}

/** What may lie under a subject and be no event: headers, data, and what the dead letter says of it. */
type Poison = (type: EventType, version: number) => { data: Buffer | string; headers: MsgHdrs; reason: RegExp };

const head = (type: EventType, version: number | string): MsgHdrs => {
  const all = headers();
  all.set('Nats-Msg-Id', unique('poison'));
  all.set('ce-dataschema', `urn:flex:${type}:${version}`);
  all.set('ce-type', type);
  return all;
};
const poisons: Record<string, Poison> = {
  malformed: (type, version) => ({ data: '{"not": json', headers: head(type, version), reason: /JSON/ }),
  'of the wrong shape': (type, version) => ({ data: '[7]', headers: head(type, version), reason: /must be object/ }),
  'of a future version': (type, version) => ({
    data: '{}',
    headers: head(type, version + 1),
    reason: /version/,
  }),
  'of no version': (type) => ({ data: '{}', headers: head(type, 'x'), reason: /version/ }),
  'larger than any event': (type, version) => ({
    data: Buffer.alloc(300_000, 'x'),
    headers: head(type, version),
    reason: /JSON/,
  }),
  'whose payload is gone': (type, version) => {
    const all = head(type, version);
    all.set('flex-claim', `${'0'.repeat(64)}:300000`);
    return { data: '', headers: all, reason: /claim|payload/i };
  },
};

/** The server alone writes fired timers, and without a schema of ours. */
const appliesTo = (type: EventType, kind: string): boolean => type !== 'timer.fired' || !kind.includes('version');

describe('Poison on every subject of the catalogue', () => {
  const http = target.http();
  const approval = example('human-approval');
  let nats: NatsConnection;
  let partitions: number;
  const sent: { subject: string; reason: RegExp; kind: string }[] = [];

  beforeAll(async () => {
    nats = await connect(natsAccess(target.natsUrl()));
    ({ partitions } = await readLogShape(nats));
  });
  afterAll(() => nats?.close());

  const command = (...argv: string[]): Promise<string> =>
    new Promise((resolve, reject) => {
      const env = { ...process.env, NATS_URL: target.natsUrl() };
      execFile(process.execPath, [LAUNCHER, ...argv], { env, maxBuffer: 1 << 28 }, (error, stdout, stderr) =>
        error ? reject(new Error(`${stdout}${stderr}`)) : resolve(stdout),
      );
    });
  const lettersOf = async (subjects: ReadonlySet<string>): Promise<Letter[]> =>
    (await command('dead-letters', 'list', '--json'))
      .trim()
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Letter)
      .filter((letter) => subjects.has(letter.subject));

  it('is put aside with its reason, and blocks nobody: neither its run nor any other', async () => {
    const stream = http.stream(approval);
    const asked = await stream.untilType('hitl_request');
    const js = jetstream(nats);
    const publish = async (subject: string, type: EventType, kind: string): Promise<void> => {
      const { data, headers: marks, reason } = poisons[kind]!(type, catalogue[type].version);
      await js.publish(subject, data, { headers: marks });
      sent.push({ subject, reason, kind });
    };
    for (const type of Object.keys(catalogue) as EventType[]) {
      for (const kind of Object.keys(poisons)) {
        if (!appliesTo(type, kind)) continue;
        if (type === 'partition.claimed') await publish(claimSubject(sent.length % partitions), type, kind);
        else if (!Object.hasOwn(runCatalogue, type))
          await publish(registrySubject(type, 'default', unique('p')), type, kind);
        else {
          const key = (catalogue[type] as { keyed?: boolean }).keyed ? 'no.such' : undefined;
          // Large ones on a run of their own: a run's history is read often.
          const runId = kind.startsWith('larger') ? unique('poisoned') : asked.runId;
          await publish(subjectOf(type as RunEventType, runId, partitions, key), type, kind);
        }
      }
    }
    const unknown = `run.exploded.${subjectOf('run.submitted', asked.runId, partitions).split('.').slice(2).join('.')}`;
    await js.publish(unknown, '{}', { headers: head('run.submitted', 1) });
    sent.push({ subject: unknown, reason: /unknown event type/, kind: 'of an unknown type' });

    // Its own run goes on, and so do others of every partition.
    const [task] = await http.openTasks(asked.runId);
    await http.resolve(task!.taskId, { resolution: 'approve' });
    expect((await stream.completed()).at(-1)!.payload).toMatchObject({ status: 'completed' });
    wellFormed(stream);
    const others = await Promise.all(Array.from({ length: partitions * 2 }, () => http.submit(example('own-plan'))));
    for (const runId of others)
      expect((await http.follow(runId).completed()).at(-1)!.payload).toMatchObject({ status: 'completed' });
    expect((await http.run(asked.runId)).status).toBe('completed');

    // Whoever reads a subject puts aside what lies there; a subject that nobody reads harms nobody.
    const read = sent.filter(({ subject }) => Object.hasOwn(runCatalogue, subject.split('.').slice(0, 2).join('.')));
    const letters = await lettersOf(new Set(sent.map(({ subject }) => subject)));
    const silent = read.filter(
      ({ subject, reason }) => !letters.some((letter) => letter.subject === subject && reason.test(letter.reason)),
    );
    expect(silent).toEqual([]);
    expect(letters.some((letter) => letter.subject === unknown && /unknown event type/.test(letter.reason))).toBe(true);
  });

  it('is shown, and sent again when its cause is gone, from the command line', async () => {
    const [letter] = await lettersOf(new Set([sent[0]!.subject]));
    expect(JSON.parse(await command('dead-letters', 'show', String(letter!.seq), '--json'))).toMatchObject(letter!);
    expect(await command('dead-letters', 'list')).toContain(letter!.reason);
    expect(await command('dead-letters', 'replay', String(letter!.seq))).toMatch(/^replayed as \d+ of the log/);
  });
});
