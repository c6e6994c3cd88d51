import { setTimeout as delay } from 'node:timers/promises';
import type { NatsConnection } from '@nats-io/nats-core';
import type { EventData, NewEvent } from '@flex/contracts';
import { AckMux, type PubAck } from './ack-mux.js';
import { headersOf, type AppendOptions, type Encoded, type EventEncoder } from './encode-event.js';
import { AppendRefused, FenceLost, LogUnavailable, WRONG_LAST_SEQUENCE } from './errors.js';
import { Header } from './headers.js';
import { ACK_TIMEOUT_MS, GIVE_UP_AFTER_MS, retryDelay } from './retry.js';

/** The right to decide for a partition: the sequence of one's own `partition.claimed`. */
export interface PartitionClaim {
  partition: number;
  /** Subject of the partition's claims. */
  subject: string;
  seq: number;
}

export interface FencedWriterOptions {
  nc: NatsConnection;
  encoder: EventEncoder;
  claim: PartitionClaim;
  /**
   * Appends in flight at once. A replicated stream takes one per fence subject (it refuses a second one as a wrong
   * sequence); a stream of one replica takes as many as one likes, sixteen are enough to fill it.
   */
  window: number;
  /**
   * The owner reads back what it writes and tells {@link FencedWriter.arrived}: no acks are asked for. Not for a window
   * of one, where the next append waits for the ack.
   */
  echoed?: boolean;
  /** The sequence of the last claim according to the stream's leader. */
  lastClaim: () => Promise<number>;
}

interface Entry {
  event: NewEvent;
  encoded: Encoded | undefined;
  resolve: (ack: PubAck) => void;
  reject: (error: Error) => void;
  ack: PubAck | undefined;
}

/**
 * Appends the decisions of one partition's owner, in the order given, each on the condition that its claim is still the
 * last one. The first refusal ends the writer: everything waiting rejects with {@link FenceLost}.
 */
export class FencedWriter {
  readonly #options: FencedWriterOptions;
  readonly #fence: string;
  readonly #mux: AckMux;
  /** In order of append; the first `#sent` are in flight. */
  readonly #queue: Entry[] = [];
  #sent = 0;
  #dead: Error | undefined;
  #repairing: Promise<void> | undefined;
  #idle: (() => void)[] = [];

  constructor(options: FencedWriterOptions) {
    this.#options = options;
    this.#mux = AckMux.of(options.nc);
    const { claim } = options;
    this.#fence = `${Header.expectedSeq}: ${claim.seq}\r\n${Header.expectedSubject}: ${claim.subject}\r\n`;
  }

  get claim(): PartitionClaim {
    return this.#options.claim;
  }

  /** Why nothing can be appended any more; undefined while the claim holds as far as known. */
  get lost(): Error | undefined {
    return this.#dead;
  }

  /** Appends waiting or in flight. */
  get pending(): number {
    return this.#queue.length;
  }

  /** Resolves when the log has it. Rejects with {@link FenceLost}, LogUnavailable, or ContractViolation at once. */
  append(event: NewEvent, options?: AppendOptions): Promise<PubAck> {
    return new Promise((resolve, reject) => {
      if (this.#dead) return reject(this.#dead);
      const entry: Entry = { event, encoded: undefined, resolve, reject, ack: undefined };
      try {
        const encoded = this.#options.encoder.encode(event, undefined, options);
        if (encoded instanceof Promise) this.#await(entry, encoded);
        else entry.encoded = fenced(encoded, this.#fence);
      } catch (error) {
        return reject(error as Error);
      }
      this.#queue.push(entry);
      this.#pump();
    });
  }

  /**
   * What a message that the owner has read from the log says, when it is one of those in flight: the very data that was
   * given to {@link append}, which need not be parsed and checked again. Undefined for everybody else's.
   */
  own(id: string, bytes: Uint8Array): EventData | undefined {
    for (let at = 0; at < this.#sent; at++) {
      const { event, encoded } = this.#queue[at]!;
      if (event.id === id) return encoded && Buffer.compare(encoded.data, bytes) === 0 ? event.data : undefined;
    }
    return undefined;
  }

  /** A message that the owner has read from the log: it may be one of those in flight. */
  arrived(id: string, seq: number): void {
    if (this.#sent > 0) this.#mux.arrived(id, seq);
  }

  /** Resolves when nothing is waiting or in flight. */
  idle(): Promise<void> {
    if (this.#queue.length === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  /** Ends the writer from this side: what waits is rejected, what is in flight may still be stored. */
  close(reason: Error = new FenceLost(this.claim.partition, this.claim.seq)): void {
    this.#fail(reason);
  }

  /** What comes after a large payload waits for its upload: the order is the promise. */
  #await(entry: Entry, encoding: Promise<Encoded>): void {
    encoding.then(
      (encoded) => {
        entry.encoded = fenced(encoded, this.#fence);
        this.#pump();
      },
      (error: Error) => {
        const at = this.#queue.indexOf(entry);
        if (at >= 0) this.#queue.splice(at, 1);
        entry.reject(error);
        this.#settled();
        this.#pump();
      },
    );
  }

  #pump(): void {
    while (!this.#repairing && !this.#dead && this.#sent < this.#options.window) {
      const entry = this.#queue[this.#sent];
      if (!entry?.encoded) return;
      this.#sent += 1;
      this.#send(entry, entry.encoded);
    }
  }

  #send(entry: Entry, encoded: Encoded): void {
    const echo = this.#options.echoed ? entry.event.id : undefined;
    this.#mux.publish(encoded.subject, headersOf(encoded).asMsgHdrs(), encoded.data, ACK_TIMEOUT_MS, echo).then(
      (ack) => {
        if (this.#repairing) entry.ack = ack;
        else this.#stored(entry, ack);
      },
      (error: Error) => {
        if (this.#dead || this.#repairing) return;
        this.#repairing = this.#repair(error).finally(() => {
          this.#repairing = undefined;
          this.#settled();
          this.#pump();
        });
      },
    );
  }

  #stored(entry: Entry, ack: PubAck): void {
    // Acks come in order as a rule; a long queue is then shortened from its front, which costs nothing.
    if (this.#queue[0] === entry) this.#queue.shift();
    else {
      const at = this.#queue.indexOf(entry);
      if (at < 0) return;
      this.#queue.splice(at, 1);
    }
    this.#sent -= 1;
    entry.resolve(ack);
    this.#settled();
    this.#pump();
  }

  #settled(): void {
    if (this.#queue.length > 0) return;
    const waiting = this.#idle;
    this.#idle = [];
    for (const resolve of waiting) resolve();
  }

  /**
   * Something in flight has failed. Repeats all that was in flight one by one, in order: what was stored answers as a
   * duplicate, what was lost is stored now, before anything newer.
   */
  async #repair(first: Error): Promise<void> {
    const deadline = performance.now() + GIVE_UP_AFTER_MS;
    let failure: Error | undefined = first;
    for (let attempt = 0; this.#sent > 0 && !this.#dead; attempt += 1) {
      if (failure && !(await this.#mayRepeat(failure, deadline))) return this.#fail(this.#verdict(failure));
      if (failure) await delay(retryDelay(attempt));
      failure = undefined;
      while (this.#sent > 0 && !failure && !this.#dead) {
        const entry = this.#queue[0];
        if (!entry?.encoded) return;
        failure = await this.#repeat(entry, entry.encoded);
        if (!failure) attempt = 0;
      }
    }
  }

  async #repeat(entry: Entry, encoded: Encoded): Promise<Error | undefined> {
    try {
      const ack =
        entry.ack ??
        (await this.#mux.publish(encoded.subject, headersOf(encoded).asMsgHdrs(), encoded.data, ACK_TIMEOUT_MS));
      this.#queue.shift();
      this.#sent -= 1;
      entry.resolve(ack);
      return undefined;
    } catch (error) {
      return error as Error;
    }
  }

  /** A refusal counts only when the leader really has another claim: a replicated stream also refuses what is too early. */
  async #mayRepeat(failure: Error, deadline: number): Promise<boolean> {
    if (this.#options.nc.isClosed() || performance.now() > deadline) return false;
    if (failure instanceof LogUnavailable) return true;
    if (!(failure instanceof AppendRefused) || !WRONG_LAST_SEQUENCE.has(failure.code)) return false;
    try {
      return (await this.#options.lastClaim()) === this.claim.seq;
    } catch {
      return true;
    }
  }

  #verdict(failure: Error): Error {
    const wrong = failure instanceof AppendRefused && WRONG_LAST_SEQUENCE.has(failure.code);
    return wrong ? new FenceLost(this.claim.partition, this.claim.seq) : failure;
  }

  #fail(error: Error): void {
    if (this.#dead) return;
    this.#dead = error;
    const waiting = this.#queue.splice(0);
    this.#sent = 0;
    for (const entry of waiting) {
      if (entry.ack) entry.resolve(entry.ack);
      else entry.reject(error);
    }
    this.#settled();
  }
}

const fenced = (encoded: Encoded, fence: string): Encoded => ({ ...encoded, headers: encoded.headers + fence });
