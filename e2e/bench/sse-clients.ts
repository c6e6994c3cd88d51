import { Agent, get } from 'node:http';

/**
 * The clients of the `sse` benchmark, in a process of their own: opens `perRun` streams on each run, says `connected` when
 * all have begun, and what they saw when all have ended.
 */
export interface Wish {
  url: string;
  runIds: string[];
  perRun: number;
  /** Runs that were just let go. */
  live?: boolean;
}
export type Said =
  | { type: 'connected' }
  | { type: 'ended'; latencies: number[]; streams: { runId: string; ids: string; complete: boolean }[] };

const CONNECTING_AT_ONCE = 100;
/** Frames of before the connection say nothing about delivery. */
let liveSince = Number.POSITIVE_INFINITY;

const agent = new Agent({ keepAlive: false, maxSockets: Infinity });
const latencies: number[] = [];

class Client {
  ids: string[] = [];
  complete = false;
  #rest = '';

  take(text: string, now: number): void {
    const frames = (this.#rest + text).split('\n\n');
    this.#rest = frames.pop()!;
    for (const frame of frames) {
      const id = /^id: (.*)$/m.exec(frame)?.[1];
      if (id === undefined) continue;
      this.ids.push(id);
      const time = Date.parse(/"timestamp":"([^"]+)"/.exec(frame)![1]!);
      if (time >= liveSince) latencies.push(now - time);
      if (frame.includes('event: complete')) this.complete = true;
    }
  }
}

function open(url: string, runId: string, client: Client): { begun: Promise<void>; ended: Promise<void> } {
  let end!: () => void;
  const ended = new Promise<void>((resolve) => (end = resolve));
  const begun = new Promise<void>((resolve, reject) => {
    const call = get(`${url}/api/v1/flex/runs/${runId}/stream`, { agent }, (response) => {
      if (response.statusCode !== 200) return reject(new Error(`a stream was refused: ${response.statusCode}`));
      response.setEncoding('utf8');
      response.on('data', (text: string) => {
        client.take(text, Date.now());
        resolve();
      });
      response.on('close', end);
    });
    call.on('error', reject);
  });
  return { begun, ended };
}

async function run({ url, runIds, perRun }: Wish): Promise<void> {
  const places = runIds.flatMap((runId) => Array.from({ length: perRun }, () => ({ runId, client: new Client() })));
  const ended: Promise<void>[] = [];
  const rest = places.values();
  const connect = async (): Promise<void> => {
    for (const { runId, client } of rest) {
      const stream = open(url, runId, client);
      ended.push(stream.ended);
      await stream.begun;
    }
  };
  await Promise.all(Array.from({ length: CONNECTING_AT_ONCE }, connect));
  process.send!({ type: 'connected' } satisfies Said);
  await Promise.all(ended);
  const streams = places.map(({ runId, client }) => ({ runId, ids: client.ids.join(), complete: client.complete }));
  process.send!({ type: 'ended', latencies, streams } satisfies Said, () => process.exit(0));
}

process.on('message', (wish: Wish) => {
  if (wish.live) liveSince = Date.now();
  else
    run(wish).catch((error: Error) => {
      process.stderr.write(`${error.message}\n`);
      process.exit(1);
    });
});
process.on('disconnect', () => process.exit(0));
