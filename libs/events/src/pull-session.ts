import { setTimeout as delay } from 'node:timers/promises';
import { createInbox, type Msg, type NatsConnection, type Subscription } from '@nats-io/nats-core';
import { inboxPrefixOf, onDisconnect, onReconnect } from './connection-events.js';
import { headerBlock, parseDelivery, type Delivery } from './stored-message.js';
import { findHeader } from './headers.js';

export interface PullSessionOptions {
  nc: NatsConnection;
  stream: string;
  consumer: string;
  onMessage: (message: Msg, delivery: Delivery) => void;
  /** A request has ended without delivering all that it asked for: there is room to ask again. */
  onRoom: () => void;
  /** The session cannot go on: consumer gone, server restarted, heartbeats missing. Called once. */
  onTrouble: (reason: string) => void;
}

/** How long a server may take to answer when a session ends. */
const LEAVE_MS = 1_000;
/** A request for messages lives this long on the server, then it is renewed. */
const EXPIRES_MS = 30_000;
/** The server says that it lives this often while there is nothing to deliver. */
const HEARTBEAT_MS = 5_000;
/** Ends a request before the server would have to cut off a slow reader (64 MB by default). */
const MAX_BYTES = 16 * 1024 * 1024;

/**
 * One attachment to one pull consumer: asks for messages, counts what is still to come, and notices when nobody answers
 * any more. It never repairs itself: its owner opens another one from what it has seen, which is the same code whatever
 * the trouble was.
 */
export class PullSession {
  readonly #options: PullSessionOptions;
  readonly #subject: string;
  readonly #inbox: string;
  readonly #subscription: Subscription;
  readonly #off: (() => void)[] = [];
  #timer: NodeJS.Timeout | undefined;
  #heard = performance.now();
  #outstanding = 0;
  #ended = false;
  #leaving = false;

  constructor(options: PullSessionOptions) {
    this.#options = options;
    const { nc, stream, consumer } = options;
    this.#subject = `$JS.API.CONSUMER.MSG.NEXT.${stream}.${consumer}`;
    this.#inbox = createInbox(inboxPrefixOf(nc));
    this.#subscription = nc.subscribe(this.#inbox, {
      callback: (error, message) => {
        if (error) this.#trouble(error.message);
        else this.#received(message);
      },
    });
    this.#off.push(onReconnect(nc, () => this.#trouble('the connection was lost')));
    this.#off.push(onDisconnect(nc, () => this.#stopWatching()));
  }

  /** Messages asked for and not yet received. */
  get outstanding(): number {
    return this.#outstanding;
  }

  /** Asks for what is there, and for what comes within `waitMs`. */
  pull(count: number, waitMs = EXPIRES_MS): void {
    if (this.#ended || this.#leaving || count < 1) return;
    this.#outstanding += count;
    const patience = waitMs > 0 ? `"expires":${waitMs}000000` : '"no_wait":true';
    const heartbeat = waitMs > 2 * HEARTBEAT_MS ? `,"idle_heartbeat":${HEARTBEAT_MS}000000` : '';
    const request = `{"batch":${count},"max_bytes":${MAX_BYTES},${patience}${heartbeat}}`;
    try {
      this.#options.nc.publish(this.#subject, request, { reply: this.#inbox });
    } catch {
      this.#trouble('the connection is closed');
      return;
    }
    if (!this.#timer) {
      this.#heard = performance.now();
      this.#timer = setInterval(() => this.#watch(), HEARTBEAT_MS).unref();
    }
  }

  /**
   * Ends with everything that is on its way: asks for nothing more, and resolves when the server has said its last. A
   * message that it sends to nobody would come to another replica only after its ack wait.
   */
  async leave(): Promise<void> {
    if (this.#ended) return;
    this.#leaving = true;
    const patience = new AbortController();
    // A server that is away has nothing on its way.
    await Promise.race([
      this.#subscription.drain().catch(() => undefined),
      delay(LEAVE_MS, undefined, { signal: patience.signal }).catch(() => undefined),
    ]);
    patience.abort();
    this.close();
  }

  /** Stops without a word to the owner. */
  close(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#stopWatching();
    for (const off of this.#off) off();
    try {
      this.#subscription.unsubscribe();
    } catch {
      // A closed connection has no subscriptions left.
    }
  }

  #received(message: Msg): void {
    this.#heard = performance.now();
    if (this.#ended) return;
    const delivery = message.subject === this.#inbox ? undefined : parseDelivery(message.reply ?? '');
    if (delivery) {
      if (this.#outstanding > 0) this.#outstanding -= 1;
      this.#options.onMessage(message, delivery);
      return;
    }
    this.#status(headerBlock(message));
  }

  /** 100 heartbeat; 404, 408 and some 409 end a request; everything else ends the session. */
  #status(block: string): void {
    const line = block.slice('NATS/1.0 '.length, Math.max(block.indexOf('\r\n'), 0));
    if (line.startsWith('100')) return;
    const over = line.startsWith('404') || line.startsWith('408') || /Exceeds MaxBytes|Batch Completed/i.test(line);
    if (!over) return this.#trouble(line || 'the server ended the request');
    const left = Number(findHeader(block, 'Nats-Pending-Messages') || this.#outstanding);
    this.#outstanding = Math.max(0, this.#outstanding - left);
    this.#options.onRoom();
  }

  #watch(): void {
    if (this.#outstanding === 0) {
      this.#stopWatching();
    } else if (performance.now() - this.#heard > HEARTBEAT_MS * 2.5) {
      this.#trouble('the server went silent');
    }
  }

  #stopWatching(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #trouble(reason: string): void {
    if (this.#ended) return;
    this.close();
    if (!this.#leaving) this.#options.onTrouble(reason);
  }
}
