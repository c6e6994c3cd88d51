import {
  ContractViolation,
  definitionOf,
  subjectOf,
  validateEvent,
  type EventType,
  type NewEvent,
  type ServiceName,
} from '@flex/contracts';
import { CLAIM_THRESHOLD, claimHeader, type ClaimStore } from './claim-store.js';
import { Header, HeaderBlock, headerValue } from './headers.js';
import { SCHEMA_PREFIX, SOURCE_PREFIX } from './stored-message.js';
import { isRunId } from './subject.js';
import type { ThreadClaim } from './thread-claims.js';
import { currentTraceparent } from './trace.js';
import { NOTHING } from './ack-mux.js';

/** A message ready to be published, as often as it takes: retries send the same id and bytes. */
export interface Encoded {
  subject: string;
  /** The headers of the event; a fence or a schedule adds its own on a copy. */
  headers: string;
  data: Uint8Array;
}

export interface AppendOptions {
  /** The run's pending timer is removed in the same step: for events after which nothing is waited for any more. */
  cancelsTimer?: boolean;
  /** The log forgets the event after this long: for what is no history. */
  ttlSeconds?: number;
  /** Refused unless the thread's last claim is still this one. */
  thread?: ThreadClaim;
}

/** Turns events into CloudEvents in NATS binary mode, as one service writes them. */
export class EventEncoder {
  readonly #source: string;
  readonly #partitions: number;
  readonly #claims: ClaimStore;
  /** The headers that all events of a type share. */
  readonly #prefixes = new Map<string, string>();
  #millisecond = 0;
  #time = '';

  constructor(source: ServiceName | string, partitions: number, claims: ClaimStore) {
    this.#source = source;
    this.#partitions = partitions;
    this.#claims = claims;
  }

  /** Checks and encodes. Only a payload over the threshold makes it asynchronous. Throws {@link ContractViolation}. */
  encode(event: NewEvent, subject = this.subjectOf(event), options: AppendOptions = {}): Encoded | Promise<Encoded> {
    const issue = validateEvent(event.type, event.data)[0];
    if (issue) throw new ContractViolation(`${event.type}: ${issue.pointer || '/'} ${issue.message}`, [issue]);
    const data = Buffer.from(JSON.stringify(event.data));
    let headers = this.#headers(event);
    if (event.type === 'timer.set') headers += this.#schedule(event as NewEvent<'timer.set'>);
    if (options.cancelsTimer) headers += this.#cancellation(event.runId);
    if (options.ttlSeconds !== undefined) headers += `${Header.ttl}: ${options.ttlSeconds}s\r\n`;
    if (data.length < CLAIM_THRESHOLD) return { subject, headers, data };
    return this.#claims.put(event.runId, data).then((claim) => ({
      subject,
      headers: `${headers}${Header.claim}: ${claimHeader(claim)}\r\n`,
      data: NOTHING,
    }));
  }

  /** Where the event goes. Throws {@link ContractViolation} for a run's id that is not one token of a subject. */
  subjectOf(event: NewEvent): string {
    if (!isRunId(event.runId)) throw new ContractViolation(`not a run id: ${JSON.stringify(event.runId)}`);
    return subjectOf(event.type, event.runId, this.#partitions, event.key);
  }

  #headers(event: NewEvent): string {
    const id = headerValue(event.id);
    let text = `${this.#prefix(event.type)}ce-id: ${id}\r\n${Header.msgId}: ${id}\r\nce-time: ${this.#now()}\r\n`;
    if (event.runId !== '') text += `ce-subject: ${event.runId}\r\n`;
    const traceparent = event.traceparent ?? currentTraceparent();
    if (traceparent) text += `${Header.traceparent}: ${headerValue(traceparent)}\r\n`;
    return text;
  }

  /** The server keeps the message, and appends its data as `timer.fired` when the time has come. */
  #schedule(event: NewEvent<'timer.set'>): string {
    const target = subjectOf('timer.fired', event.runId, this.#partitions);
    const at = new Date(event.data.at);
    if (Number.isNaN(at.getTime())) throw new ContractViolation(`timer.set: /at ${event.data.at} is no time`);
    return `${Header.schedule}: @at ${at.toISOString()}\r\n${Header.scheduleTarget}: ${target}\r\n`;
  }

  /** Storing the message removes the run's timer in the same step; when there is none, it does nothing. */
  #cancellation(runId: string): string {
    const schedule = subjectOf('timer.set', runId, this.#partitions);
    return `${Header.scheduler}: ${schedule}\r\n${Header.scheduleNext}: purge\r\n`;
  }

  #prefix(type: EventType): string {
    let prefix = this.#prefixes.get(type);
    if (prefix === undefined) {
      const version = definitionOf(type)?.version ?? 1;
      prefix = [
        'ce-specversion: 1.0',
        `ce-type: ${type}`,
        `${Header.source}: ${SOURCE_PREFIX}${headerValue(this.#source)}`,
        `${Header.schema}: ${SCHEMA_PREFIX}${type}:${version}`,
        'content-type: application/json',
        '',
      ].join('\r\n');
      this.#prefixes.set(type, prefix);
    }
    return prefix;
  }

  /** The writer's clock, for people: nothing decides by it, the log's own time does. */
  #now(): string {
    const now = Date.now();
    if (now !== this.#millisecond) {
      this.#millisecond = now;
      this.#time = new Date(now).toISOString();
    }
    return this.#time;
  }
}

/** The headers of an encoded message with further ones. */
export const headersOf = (encoded: Encoded): HeaderBlock => new HeaderBlock(encoded.headers);
