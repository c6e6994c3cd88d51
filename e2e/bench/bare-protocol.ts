import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { jetstream, jetstreamManager, type JetStreamClient } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import type { NatsConnection } from '@nats-io/nats-core';
import { headers } from '@nats-io/nats-core';
import { natsAccess } from '../harness/nats-access.js';

/**
 * The least that any engine on this log must do: a fenced dispatch and a report per step, an ordered reader, one worker
 * process; no validation, no projection, no plan. Same server, same sizes of messages: what the product is held against.
 */
export const BARE_STREAM = 'FLEX_BARE';
const FENCE = 'bare.claim';
const STEPS = 10;
const filler = 'x'.repeat(500);

export class BareProtocol {
  readonly #latencies: number[] = [];
  readonly #waiting = new Map<string, { step: number; begun: number; done: () => void }>();
  #claim = 0;
  #runs = 0;

  private constructor(
    private readonly nc: NatsConnection,
    private readonly js: JetStreamClient,
    private readonly worker: ChildProcess,
  ) {}

  static async start(natsUrl: string): Promise<BareProtocol> {
    const nc = await connect(natsAccess(natsUrl));
    const jsm = await jetstreamManager(nc);
    await jsm.streams.delete(BARE_STREAM).catch(() => undefined);
    await jsm.streams.add({ name: BARE_STREAM, subjects: ['bare.>'] });
    const worker = fork(fileURLToPath(new URL('./bare-worker.js', import.meta.url)), [natsUrl]);
    await new Promise<void>((resolve, reject) => {
      worker.once('message', () => resolve());
      worker.once('exit', () => reject(new Error('the bare worker ended')));
    });
    const bare = new BareProtocol(nc, jetstream(nc), worker);
    bare.#claim = (await bare.js.publish(FENCE, '{}')).seq;
    const reader = await bare.js.consumers.get(BARE_STREAM, { filter_subjects: ['bare.reported.>'] });
    const reports = await reader.consume({ max_messages: 1000 });
    void (async () => {
      for await (const message of reports) bare.#reported(message.subject.split('.')[2]!);
    })();
    return bare;
  }

  /** Chains of ten steps, `concurrency` at a time. */
  async chains(count: number, concurrency: number): Promise<{ latencies: number[]; seconds: number; steps: number }> {
    this.#latencies.length = 0;
    const begun = performance.now();
    let left = count;
    await Promise.all(
      Array.from({ length: concurrency }, async () => {
        while (left-- > 0) await this.#chain();
      }),
    );
    return { latencies: [...this.#latencies], seconds: (performance.now() - begun) / 1000, steps: count * STEPS };
  }

  async stop(): Promise<void> {
    this.worker.kill();
    const jsm = await jetstreamManager(this.nc);
    await jsm.streams.delete(BARE_STREAM);
    await this.nc.close();
  }

  #chain(): Promise<void> {
    const run = `r${this.#runs++}`;
    return new Promise((done) => {
      this.#waiting.set(run, { step: 0, begun: performance.now(), done });
      this.#dispatch(run, 0);
    });
  }

  #dispatch(run: string, step: number): void {
    const hdrs = headers();
    hdrs.set('Nats-Expected-Last-Subject-Sequence', String(this.#claim));
    hdrs.set('Nats-Expected-Last-Subject-Sequence-Subject', FENCE);
    hdrs.set('Nats-Msg-Id', `${run}:${step}`);
    void this.js.publish(`bare.dispatched.${run}`, JSON.stringify({ run, step, filler }), { headers: hdrs });
  }

  #reported(run: string): void {
    const chain = this.#waiting.get(run)!;
    chain.step++;
    if (chain.step < STEPS) return this.#dispatch(run, chain.step);
    this.#waiting.delete(run);
    this.#latencies.push(performance.now() - chain.begun);
    chain.done();
  }
}
