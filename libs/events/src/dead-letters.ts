import { countDeadLetter } from './dead-letter-meter.js';
import { createHash } from 'node:crypto';
import type { NatsConnection } from '@nats-io/nats-core';
import { FORBIDDEN, type PubAck } from './ack-mux.js';
import { AppendRefused } from './errors.js';
import { ask } from './ask.js';
import { findHeader, Header, HeaderBlock, headerValue, plainValue } from './headers.js';
import { DEAD_LETTER_ROOT, DEAD_LETTER_STREAM } from './names.js';
import { OrderedReader } from './ordered-reader.js';
import { publishUntilStored } from './publish.js';
import { headerBlock } from './stored-message.js';
import type { PoisonMessage } from './tail.js';

/** A message that nobody could process, with what is needed to understand it and to send it again. */
export interface DeadLetter {
  /** Its number among the dead letters, by which it is shown and replayed. */
  seq: number;
  /** When it was put aside, milliseconds since the epoch. */
  time: number;
  reason: string;
  /** Who could not process it. */
  consumer: string;
  /** Where it came from. */
  stream: string;
  streamSeq: number;
  subject: string;
  headers: Record<string, string>;
  /** As text where it is text. */
  data: string;
}

const Mark = {
  reason: 'flex-reason',
  consumer: 'flex-consumer',
  stream: 'flex-stream',
  seq: 'flex-seq',
  subject: 'flex-subject',
  time: 'flex-time',
  headers: 'flex-headers',
  /** Its whole size, when only the beginning could be kept. */
  cut: 'flex-size',
} as const;

const MAX_REASON = 500;
const MAX_HEADERS = 16 * 1024;
/** What may be sent at once: a message that is itself near the server's limit must still fit with our headers. */
const MAX_DATA = 900 * 1024;

/** Messages that broke their contract or failed too often: stored once for each consumer, listed and replayed by people. */
export class DeadLetters {
  readonly #nc: NatsConnection;

  constructor(nc: NatsConnection) {
    this.#nc = nc;
  }

  /**
   * Puts a message aside, once for each consumer: each has a subject of its own that may be written only once, so that
   * reading the log again, however much later, adds nothing.
   */
  async add(message: PoisonMessage, reason: string, consumer: string): Promise<void> {
    const token = consumer.replaceAll(/[^A-Za-z0-9_-]/g, '_') || 'unknown';
    const data = message.data.subarray(0, MAX_DATA);
    const headers = new HeaderBlock()
      .add(Header.expectedSeq, '0')
      .add(Mark.reason, headerValue(reason.slice(0, MAX_REASON)))
      .add(Mark.consumer, headerValue(consumer))
      .add(Mark.stream, message.stream)
      .add(Mark.seq, String(message.seq))
      .add(Mark.subject, headerValue(message.subject))
      .add(Mark.time, String(message.time))
      .add(Mark.headers, Buffer.from(message.headers.slice(0, MAX_HEADERS), 'latin1').toString('base64'));
    if (data.length < message.data.length) headers.add(Mark.cut, String(message.data.length));
    try {
      await publishUntilStored(
        this.#nc,
        `${DEAD_LETTER_ROOT}.${token}.${message.stream}.${message.seq}`,
        headers,
        data,
      );
      countDeadLetter(message.stream, consumer);
    } catch (error) {
      if (!(error instanceof AppendRefused) || error.code === FORBIDDEN) throw error;
    }
  }

  /** The dead letters from one on, oldest first. */
  async list(options: { fromSeq?: number; limit?: number } = {}): Promise<DeadLetter[]> {
    const limit = options.limit ?? 100;
    const found: DeadLetter[] = [];
    let attached!: (pending: number) => void;
    const known = new Promise<number>((resolve) => (attached = resolve));
    const reader = new OrderedReader({
      nc: this.#nc,
      stream: DEAD_LETTER_STREAM,
      fromSeq: options.fromSeq,
      prefetch: Math.max(8, Math.min(limit, 256)),
      onAttached: ({ pending }) => attached(pending),
    });
    try {
      const total = Math.min(await known, limit);
      while (found.length < total) {
        const batch = await reader.take(total - found.length);
        if (!batch) break;
        for (const { message, delivery } of batch) {
          found.push(parseLetter(delivery.seq, delivery.time, headerBlock(message), message.data));
        }
      }
    } finally {
      reader.close();
    }
    return found;
  }

  /** One dead letter, or undefined. */
  async show(seq: number): Promise<DeadLetter | undefined> {
    const raw = await this.#raw(seq);
    return raw && parseLetter(seq, raw.time, raw.headers, raw.data);
  }

  /**
   * Sends a dead letter again to where it came from, with its headers and a new id; `flex-replayed-from` names it. Each
   * is replayed once while the server remembers ids, so that an impatient operator does no harm.
   */
  async replay(seq: number): Promise<PubAck> {
    const raw = await this.#raw(seq);
    if (!raw) throw new Error(`there is no dead letter ${seq}`);
    if (findHeader(raw.headers, Mark.cut) !== '') throw new Error(`dead letter ${seq} was too large to be kept whole`);
    const letter = parseLetter(seq, raw.time, raw.headers, raw.data);
    const headers = new HeaderBlock();
    for (const [name, value] of Object.entries(letter.headers)) {
      if (!/^nats-/i.test(name) && name !== Header.replayedFrom) headers.add(name, value);
    }
    const digest = createHash('sha256').update(raw.data).digest('hex').slice(0, 16);
    headers.add(Header.msgId, `replay.${seq}.${digest}`).add(Header.replayedFrom, `${letter.streamSeq}`);
    return publishUntilStored(this.#nc, letter.subject, headers, raw.data);
  }

  async #raw(seq: number): Promise<{ time: number; headers: string; data: Uint8Array } | undefined> {
    if (!Number.isInteger(seq) || seq < 1) return undefined;
    const request = JSON.stringify({ seq });
    const message = await ask(this.#nc, () =>
      this.#nc.request(`$JS.API.DIRECT.GET.${DEAD_LETTER_STREAM}`, request, { timeout: 5_000 }),
    );
    const headers = headerBlock(message);
    if (/^NATS\/1\.0 \d/.test(headers)) return undefined;
    return { time: Date.parse(findHeader(headers, 'Nats-Time-Stamp')), headers, data: message.data };
  }
}

function parseLetter(seq: number, time: number, block: string, data: Uint8Array): DeadLetter {
  const mark = (name: string): string => plainValue(findHeader(block, name));
  return {
    seq,
    time,
    reason: mark(Mark.reason),
    consumer: mark(Mark.consumer),
    stream: mark(Mark.stream),
    streamSeq: Number(mark(Mark.seq)),
    subject: mark(Mark.subject),
    headers: parseHeaders(Buffer.from(mark(Mark.headers), 'base64').toString('latin1')),
    data: Buffer.from(data).toString('utf8'),
  };
}

function parseHeaders(block: string): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const line of block.split('\r\n').slice(1)) {
    const colon = line.indexOf(':');
    if (colon > 0) headers[line.slice(0, colon)] = line.slice(colon + 1).trim();
  }
  return headers;
}
