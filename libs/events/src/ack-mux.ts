import { createInbox, Empty, type Msg, type MsgHdrs, type NatsConnection } from '@nats-io/nats-core';
import { inboxPrefixOf, onForbidden, onReconnect } from './connection-events.js';
import { AppendRefused, LogUnavailable } from './errors.js';

export interface PubAck {
  seq: number;
  /** The server had a message of this id already; `seq` is that one's. */
  duplicate: boolean;
}

interface Pending {
  subject: string;
  resolve: (ack: PubAck) => void;
  reject: (error: Error) => void;
  /** The sweep in which it times out. */
  due: number;
}

const SWEEP_MS = 100;

/** Our own code for what the server refuses without an answer. */
export const FORBIDDEN = 403;

/**
 * Publishes into JetStream and matches the acks: one subscription and one timer for all that is in flight. The client's
 * own `request` spends a timer, three promises and an error object on each message, which at ten thousand messages a
 * second is most of what a writer does.
 */
export class AckMux {
  static readonly #shared = new WeakMap<NatsConnection, AckMux>();

  readonly #nc: NatsConnection;
  readonly #inbox: string;
  readonly #pending = new Map<string, Pending>();
  #next = 0;
  #sweep = 0;
  #timer: NodeJS.Timeout | undefined;

  /** The mux of a connection; there is one. */
  static of(nc: NatsConnection): AckMux {
    let mux = this.#shared.get(nc);
    if (!mux) this.#shared.set(nc, (mux = new AckMux(nc)));
    return mux;
  }

  private constructor(nc: NatsConnection) {
    this.#nc = nc;
    this.#inbox = `${createInbox(inboxPrefixOf(nc))}.`;
    nc.subscribe(`${this.#inbox}*`, {
      callback: (error, message) => {
        if (!error) this.#answered(message);
      },
    });
    // Acks of the old connection never come: let the writers repeat at once instead of waiting for their timeouts.
    onReconnect(nc, () => this.#rejectAll('the connection to NATS was lost'));
    onForbidden(nc, (subject) => this.#rejectForbidden(subject));
    void nc.closed().then(() => this.#rejectAll('the connection to NATS is closed'));
  }

  /**
   * Rejects with {@link LogUnavailable} when no answer comes in time, {@link AppendRefused} when the answer is no.
   *
   * With an `echo`, the message's id, the server is asked for no ack: the writer reads back what it writes and says so
   * with {@link arrived}. That is one message less to send and to receive for each append. A refusal is silent then; it
   * shows as time-out, and asking again for an ack brings the reason.
   */
  publish(
    subject: string,
    headers: MsgHdrs | undefined,
    data: Uint8Array,
    timeoutMs: number,
    echo?: string,
  ): Promise<PubAck> {
    return new Promise((resolve, reject) => {
      const token = echo ?? (this.#next++).toString(36);
      try {
        this.#nc.publish(subject, data, {
          ...(echo === undefined ? { reply: this.#inbox + token } : {}),
          ...(headers ? { headers } : {}),
        });
      } catch (error) {
        reject(new LogUnavailable('the connection to NATS is closed', { cause: error }));
        return;
      }
      this.#pending.set(token, { subject, resolve, reject, due: this.#sweep + Math.ceil(timeoutMs / SWEEP_MS) + 1 });
      this.#timer ??= setInterval(() => this.#expire(), SWEEP_MS);
    });
  }

  /** The log has delivered a message to this process: whoever waits for the echo of its own has it. */
  arrived(id: string, seq: number): void {
    const pending = this.#pending.get(id);
    if (!pending) return;
    this.#pending.delete(id);
    pending.resolve({ seq, duplicate: false });
  }

  #answered(message: Msg): void {
    const token = message.subject.slice(this.#inbox.length);
    const pending = this.#pending.get(token);
    if (!pending) return;
    this.#pending.delete(token);
    const answer = parseAck(message);
    if (answer instanceof Error) pending.reject(answer);
    else pending.resolve(answer);
  }

  #rejectForbidden(subject: string): void {
    for (const [token, pending] of this.#pending) {
      if (pending.subject !== subject) continue;
      this.#pending.delete(token);
      pending.reject(new AppendRefused(FORBIDDEN, `this service is not permitted to publish ${subject}`));
    }
  }

  #expire(): void {
    this.#sweep += 1;
    for (const [token, pending] of this.#pending) {
      if (pending.due > this.#sweep) continue;
      this.#pending.delete(token);
      pending.reject(new LogUnavailable('the log did not answer in time'));
    }
    if (this.#pending.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #rejectAll(reason: string): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    const rejected = [...this.#pending.values()];
    this.#pending.clear();
    for (const pending of rejected) pending.reject(new LogUnavailable(reason));
  }
}

interface RawAck {
  seq?: number;
  duplicate?: boolean;
  error?: { code?: number; err_code?: number; description?: string };
}

function parseAck(message: Msg): PubAck | Error {
  const { data } = message;
  if (data.length === 0) return new LogUnavailable('no stream takes this subject now (no responders)');
  let answer: RawAck;
  try {
    answer = JSON.parse(Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('latin1')) as RawAck;
  } catch {
    return new LogUnavailable('the log gave an unreadable answer');
  }
  if (answer.error) return refusal(answer.error);
  if (typeof answer.seq !== 'number') return new LogUnavailable('the log gave an answer without a sequence');
  return { seq: answer.seq, duplicate: answer.duplicate === true };
}

/** 503 means: no leader now, restarting, no quorum. That passes, and a repeat with the same id is safe. */
function refusal(error: NonNullable<RawAck['error']>): Error {
  const description = error.description ?? 'refused';
  if (error.code === 503) return new LogUnavailable(description);
  return new AppendRefused(error.err_code ?? 0, description);
}

/** The body of a message that has none. */
export const NOTHING: Uint8Array = Empty;
