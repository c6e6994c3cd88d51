import { EventEmitter } from 'node:events';
import { jest } from '@jest/globals';
import type { ServerResponse } from 'node:http';
import type { StoredEvent } from '@flex/contracts';
import { submitted, TestRun } from '../testing/stored-events.js';
import { FrameOutput } from './frame-output.js';
import { RunHub, WINDOW_BYTES } from './run-hub.js';
import { START, RunStream } from './run-stream.js';

/** A client's socket that is full when told so. */
class Client extends EventEmitter {
  text = '';
  full = false;
  ended = false;
  headersSent = false;
  socket = undefined;
  write(bytes: Uint8Array): boolean {
    this.text += Buffer.from(bytes).toString();
    return !this.full;
  }
  writeHead(): void {
    this.headersSent = true;
  }
  end(): void {
    this.ended = true;
  }
  destroy(): void {
    this.emit('close');
  }
  /** It needed so many milliseconds for what was sent. */
  drained(ms = 0): void {
    this.full = false;
    const right = performance.now.bind(performance);
    const later = jest.spyOn(performance, 'now').mockImplementation(() => right() + ms);
    this.emit('drain');
    later.mockRestore();
  }
  get ids(): string[] {
    return [...this.text.matchAll(/^id: (.*)$/gm)].map((match) => match[1]!);
  }
}

const historyOf = (run: TestRun) => ({
  async *read(): AsyncGenerator<StoredEvent> {
    yield* run.events;
  },
});

function open(run: TestRun, hub: RunHub, cursor = START, types?: ReadonlySet<string>): Client {
  const client = new Client();
  const output = new FrameOutput(client as unknown as ServerResponse, () => stream.stop());
  output.begin();
  const stream = new RunStream(hub, historyOf(run), output, { cursor, types });
  stream.start();
  return client;
}

const progress = (run: TestRun, hub: RunHub, bytes: number): void => {
  hub.push(run.add('node.progressed', { nodeId: 'a', attempt: 1, text: 'x'.repeat(bytes) }));
  hub.flush();
};
const MB = 1024 * 1024;

async function loaded(run: TestRun): Promise<RunHub> {
  const hub = new RunHub(run.runId);
  await hub.load(historyOf(run).read());
  return hub;
}

describe('a client on a run', () => {
  it('is told to come back when it is too slow, with the cursor of what it got, and then gets exactly the rest', async () => {
    const run = new TestRun();
    run.add('run.submitted', submitted());
    const hub = await loaded(run);
    const slow = open(run, hub);
    slow.full = true;
    for (let sent = 0; sent < WINDOW_BYTES * 1.5; sent += MB) progress(run, hub, MB);
    expect(slow.ids).toEqual(['10', '20']);
    expect(hub.first).toBeGreaterThan(2);
    slow.drained(6_000);
    expect(slow.ended).toBe(true);
    expect(slow.text).toMatch(/event: resync\ndata: \{"runId":"01testrun","cursor":"20"/);
    expect(slow.ids).toEqual(['10', '20']);
    expect(hub.watchers).toBe(0);

    const again = open(run, hub, { seq: 20, index: 0 });
    hub.push(run.add('run.completed', { output: 1 }));
    hub.flush();
    for (let turn = 0; turn < 1000 && !again.ended; turn++) await Promise.resolve();
    expect(again.ended).toBe(true);
    expect(again.ids).toEqual(run.events.slice(2).map((event) => String(event.seq)));
  });

  it('that takes what it gets is given what large frames have pushed out of memory meanwhile', async () => {
    const run = new TestRun();
    run.add('run.submitted', submitted());
    const hub = await loaded(run);
    const client = open(run, hub);
    client.full = true;
    for (let count = 0; count < 4; count++) progress(run, hub, WINDOW_BYTES + 1);
    hub.push(run.add('run.completed', { output: 1 }));
    hub.flush();
    expect(hub.first).toBe(5);
    client.drained();
    for (let turn = 0; turn < 1000 && !client.ended; turn++) await Promise.resolve();
    expect(client.ended).toBe(true);
    expect(client.ids).toEqual(run.events.map((event) => String(event.seq)));
    expect(client.text).not.toContain('resync');
  });

  it('that is a little slow is waited for, without a queue of its own', async () => {
    const run = new TestRun();
    run.add('run.submitted', submitted());
    const hub = await loaded(run);
    const client = open(run, hub);
    client.full = true;
    for (let count = 0; count < 50; count++) progress(run, hub, 1000);
    expect(client.ids).toEqual(['10', '20']);
    client.drained();
    expect(client.ids).toHaveLength(51);
  });

  it('loses and repeats nothing when live events overtake the history that is loading', async () => {
    const run = new TestRun();
    run.add('run.submitted', submitted());
    run.add('run.paused', {});
    const hub = new RunHub(run.runId);
    const early = [...run.events];
    hub.push(early[1]!);
    hub.push(run.add('run.resumed', {}));
    const client = open(run, hub);
    expect(client.ids).toEqual([]);
    await hub.load(
      (async function* () {
        yield* early;
      })(),
    );
    expect(client.ids).toEqual(['10', '20', '30']);
  });

  it('has it all when the run has ended and nothing that it wants is left', async () => {
    const run = new TestRun();
    run.add('run.submitted', submitted());
    const hub = await loaded(run);
    const submission = { seq: 10, index: 0 };
    expect(hub.isOver(submission, undefined)).toBe(false);
    hub.push(run.add('run.completed', { output: 1 }));
    expect(hub.isOver(submission, undefined)).toBe(false);
    expect(hub.isOver(submission, new Set(['complete']))).toBe(false);
    expect(hub.isOver(submission, new Set(['start']))).toBe(true);
    expect(hub.isOver(START, new Set(['start']))).toBe(false);
    expect(hub.isOver({ seq: 20, index: 9 }, undefined)).toBe(true);
  });

  it('sees only the types it wants, and goes away without a trace', async () => {
    const run = new TestRun();
    run.add('run.submitted', submitted());
    const hub = await loaded(run);
    const client = open(run, hub, START, new Set(['run_paused']));
    progress(run, hub, 10);
    hub.push(run.add('run.paused', {}));
    hub.flush();
    expect(client.ids).toEqual(['30']);
    client.destroy();
    expect(hub.watchers).toBe(0);
    hub.push(run.add('run.resumed', {}));
    hub.flush();
    expect(client.ids).toEqual(['30']);
  });
});
