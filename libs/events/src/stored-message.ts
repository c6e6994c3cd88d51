import { isUtf8 } from 'node:buffer';
import { hash } from 'node:crypto';
import type { Msg } from '@nats-io/nats-core';
import {
  ContractViolation,
  definitionOf,
  UnknownVersion,
  upcast,
  validateEvent,
  type EventData,
  type EventType,
  type StoredEvent,
} from '@flex/contracts';
import { reasonOf } from './errors.js';
import type { FencedWriter } from './fenced-writer.js';
import { findHeader, Header, plainValue } from './headers.js';
import { parseSubject, type ParsedSubject } from './subject.js';

/**
 * An event as it lies in the log. What every reader needs is read at once, the rest of the headers when asked for.
 * The members are those of {@link StoredEvent}; this adds the stored bytes and their digest.
 */
export class StoredMessage<T extends EventType = EventType> {
  /** The headers as received. */
  readonly #headers: string;
  /** The data as stored (of a claim check: as it was before). */
  readonly #bytes: Uint8Array;

  constructor(
    readonly type: T,
    /** Of the form that is stored, and that the digest is made of; `data` is brought to the form of today. */
    readonly version: number,
    readonly runId: string,
    readonly id: string,
    readonly data: EventData<T>,
    readonly key: string | undefined,
    readonly partition: number,
    readonly seq: number,
    readonly time: number,
    headers: string,
    bytes: Uint8Array,
  ) {
    this.#headers = headers;
    this.#bytes = bytes;
  }

  /** The service that appended it; `server` for a timer that fired. */
  get source(): string {
    if (this.type === 'timer.fired') return 'server';
    const source = findHeader(this.#headers, Header.source);
    return source.startsWith(SOURCE_PREFIX) ? source.slice(SOURCE_PREFIX.length) : source;
  }

  get traceparent(): string | undefined {
    return findHeader(this.#headers, Header.traceparent) || undefined;
  }

  /** The data's JSON text as the writer encoded it: what an archive keeps, so that digests can be checked later. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** Stable identity of what is stored, for a run's hash chain. The same whether or not the data went by claim check. */
  digest(): string {
    return eventDigest({ type: this.type, version: this.version, runId: this.runId, id: this.id, bytes: this.#bytes });
  }

  toJSON(): StoredEvent & { digest?: never } {
    const { type, version, runId, id, data, key, seq, time, source, traceparent } = this;
    return { type, version, runId, id, data, key, seq, time, source, traceparent } as never;
  }
}

/** What readers get: a {@link StoredEvent} with its bytes and digest. */
export type LogEvent<T extends EventType = EventType> = StoredEvent<T> & {
  readonly partition: number;
  readonly bytes: Uint8Array;
  digest(): string;
};

export const SOURCE_PREFIX = '/flex/';
export const SCHEMA_PREFIX = 'urn:flex:';

/** SHA-256 over what makes the event what it is; sequence and time are the server's and not part of it. */
export function eventDigest(event: {
  type: string;
  version: number;
  runId: string;
  id: string;
  bytes: Uint8Array;
}): string {
  const dataHash = hash('sha256', event.bytes, 'hex');
  return hash('sha256', `${event.type}\n${event.version}\n${event.runId}\n${event.id}\n${dataHash}`, 'hex');
}

/** Where a message lies and what surrounds it: all of a message that is not its data. */
export interface Envelope {
  subject: ParsedSubject;
  /** The raw subject. */
  on: string;
  seq: number;
  time: number;
  /** The raw header block. */
  headers: string;
}

/**
 * A newer release wrote it: this one knows its type or its version not yet. For whoever folds it is a broken contract like
 * any other; who only keeps what is written keeps it as it is, for those who can read it.
 */
export class NewerEvent extends ContractViolation {
  constructor(
    reason: string,
    /** Of its data nothing is known but that it is JSON. */
    readonly event: StoredMessage,
  ) {
    super(reason);
  }
}

/** A message that cannot be an event, and why. */
export interface Poison {
  subject: string;
  seq: number;
  reason: string;
}

/**
 * Decodes and checks the data of a message. Throws {@link ContractViolation} with the reason when it breaks its
 * contract: unknown type, future version, no JSON, wrong shape, no id. What `writer` has sent itself is not parsed.
 */
export function decodeEvent(envelope: Envelope, bytes: Uint8Array, writer?: FencedWriter): StoredMessage {
  const { subject, headers } = envelope;
  const definition = definitionOf(subject.type);
  if (!definition) throw newer(envelope, bytes, `unknown event type ${subject.type}`);
  const fired = subject.type === 'timer.fired';
  const version = fired ? definition.version : versionOf(findHeader(headers, Header.schema), subject.type);
  const id = idOf(envelope, fired);
  if (version > definition.version) throw newer(envelope, bytes, new UnknownVersion(subject.type, version).message);
  const data = writer?.own(id, bytes) ?? parseData(subject.type, version, definition.version, bytes);
  return messageOf(envelope, version, id, data, bytes);
}

const messageOf = (
  { subject, seq, time, headers }: Envelope,
  version: number,
  id: string,
  data: EventData,
  bytes: Uint8Array,
): StoredMessage =>
  new StoredMessage(
    subject.type as EventType,
    version,
    subject.runId,
    id,
    data,
    subject.key,
    subject.partition,
    seq,
    time,
    headers,
    bytes,
  );

/** A {@link NewerEvent} when it has all that an event has, else just a broken contract. */
function newer(envelope: Envelope, bytes: Uint8Array, reason: string): ContractViolation {
  try {
    const version = versionOf(findHeader(envelope.headers, Header.schema), envelope.subject.type);
    const data = parsed(bytes) as EventData;
    return new NewerEvent(reason, messageOf(envelope, version, idOf(envelope, false), data, bytes));
  } catch {
    return new ContractViolation(reason);
  }
}

function parsed(bytes: Uint8Array): unknown {
  // What cannot be written as text again could never be verified.
  if (!isUtf8(bytes)) throw new ContractViolation('the data is not UTF-8');
  try {
    return JSON.parse(utf8(bytes));
  } catch (error) {
    throw new ContractViolation(reasonOf(error));
  }
}

function parseData(type: string, version: number, current: number, bytes: Uint8Array): EventData {
  let data = parsed(bytes);
  if (version !== current) data = upcast(type, version, data);
  const issues = validateEvent(type, data);
  const issue = issues[0];
  if (issue) throw new ContractViolation(`${issue.pointer || '/'} ${issue.message}`, issues);
  return data as EventData;
}

function idOf(envelope: Envelope, fired: boolean): string {
  // The server derives a fired timer from the schedule and gives it no id of its own.
  if (fired) return `timer.fired.${envelope.subject.runId}.${envelope.seq}`;
  const id = findHeader(envelope.headers, Header.msgId);
  if (id === '') throw new ContractViolation('the message has no id (Nats-Msg-Id)');
  return plainValue(id);
}

function versionOf(schema: string, type: string): number {
  const version = schema.startsWith(SCHEMA_PREFIX) ? Number(schema.slice(schema.lastIndexOf(':') + 1)) : Number.NaN;
  if (Number.isInteger(version) && version > 0) return version;
  throw new ContractViolation(`no schema version in ce-dataschema (${schema || 'missing'}) of ${type}`);
}

const utf8 = (bytes: Uint8Array): string => asBuffer(bytes).toString('utf8');
const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** The raw header block of a received message, without building the client's map of it. */
export function headerBlock(message: Msg): string {
  const raw = message as unknown as { _rdata?: Uint8Array; _msg?: { hdr: number } };
  const length = raw._msg?.hdr;
  if (raw._rdata && length !== undefined) return length < 0 ? '' : asBuffer(raw._rdata).toString('latin1', 0, length);
  // Another version of the client: the slow way, the same answer.
  return message.headers ? String(message.headers) : '';
}

/** Sequence, time and what is still pending, as the server put them into the reply subject of a delivered message. */
export interface Delivery {
  stream: string;
  consumer: string;
  attempt: number;
  seq: number;
  deliverySeq: number;
  time: number;
  pending: number;
}

/** Undefined when this is no delivered message of a consumer but a status of the server. */
export function parseDelivery(reply: string): Delivery | undefined {
  const tokens = reply.split('.');
  // 9 tokens: $JS.ACK.<stream>.<consumer>.<attempt>.<seq>.<delivery>.<time>.<pending>; newer: domain and account first.
  const at = tokens.length === 9 ? 2 : 4;
  if (tokens[0] !== '$JS' || tokens[1] !== 'ACK' || tokens.length < 9) return undefined;
  return {
    stream: tokens[at] ?? '',
    consumer: tokens[at + 1] ?? '',
    attempt: Number(tokens[at + 2]),
    seq: Number(tokens[at + 3]),
    deliverySeq: Number(tokens[at + 4]),
    // Nanoseconds don't fit a double: cut to milliseconds before converting, so that every reader gets the same number.
    time: Number(tokens[at + 5]?.slice(0, -6)),
    pending: Number(tokens[at + 6]),
  };
}

/** The envelope of a message whose subject is one of the log's, or undefined. */
export function envelopeOf(subject: string, seq: number, time: number, headers: string): Envelope | undefined {
  const parsed = parseSubject(subject);
  return parsed && { subject: parsed, on: subject, seq, time, headers };
}
