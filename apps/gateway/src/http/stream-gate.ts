import type { ServerResponse } from 'node:http';
import type { Logger } from '@flex/events/service';
import { FrameOutput } from '../feed/frame-output.js';
import { refuse } from './problems.js';

const HEARTBEAT_MS = 15_000;

/** All streams that are open on this replica: bounded, kept alive, ended when the replica drains. */
export class StreamGate {
  readonly #open = new Set<FrameOutput>();
  readonly #perTenant = new Map<string, number>();
  readonly #heart: NodeJS.Timeout;

  constructor(
    private readonly max: number,
    private readonly maxPerTenant: number,
    private readonly log: Logger,
  ) {
    this.#heart = setInterval(() => this.#beat(), HEARTBEAT_MS);
    this.#heart.unref();
  }

  get size(): number {
    return this.#open.size;
  }

  /** Takes a place before anything is done for the client. Throws `too_many_streams` or `unavailable`. */
  enter(tenant: string, response: ServerResponse, onClose: () => void): FrameOutput {
    const mine = this.#perTenant.get(tenant) ?? 0;
    if (mine >= this.maxPerTenant) throw refuse.tooManyStreams();
    if (this.#open.size >= this.max) throw refuse.unavailable('This replica has no stream to spare', 5);
    this.#perTenant.set(tenant, mine + 1);
    const output = new FrameOutput(response, () => {
      this.#open.delete(output);
      const left = (this.#perTenant.get(tenant) ?? 1) - 1;
      if (left > 0) this.#perTenant.set(tenant, left);
      else this.#perTenant.delete(tenant);
      onClose();
    });
    this.#open.add(output);
    return output;
  }

  /** Ends every stream; clients reconnect with their cursor, to another replica. */
  close(): void {
    clearInterval(this.#heart);
    if (this.#open.size > 0) this.log.info({ streams: this.#open.size }, 'ending open streams');
    for (const output of [...this.#open]) output.end();
  }

  #beat(): void {
    const now = performance.now();
    for (const output of this.#open) output.heartbeat(now);
  }
}
