import { hash, randomUUID } from 'node:crypto';
import { validateEvent, type EventData, type NewEvent } from '@flex/contracts';
import { ask } from './ask.js';
import { headersOf } from './encode-event.js';
import { isOvertaken } from './errors.js';
import type { EventLog } from './event-log.js';
import { Header } from './headers.js';
import { LOG_STREAM } from './names.js';
import { publishUntilStored } from './publish.js';

/** The right to submit the next run of a thread: the sequence of one's own `thread.claimed`. */
export interface ThreadClaim {
  /** Subject of the thread's claims. */
  subject: string;
  seq: number;
}

/** A claim as it lies in the log. */
export type ClaimedThread = ThreadClaim & EventData<'thread.claimed'>;

/** Shorter than the word that a run was deleted is kept: whoever is named in a claim can be accounted for. */
const KEPT_SECONDS = 12 * 3600;

/**
 * The order of the runs of a thread, which live on different partitions, is made by the log: whoever submits one first
 * claims the thread, on the condition that the claim before is the one seen, and the submission then expects the claim to
 * be still the last one. So of two at the same moment the server takes one, whichever replicas they came to.
 */
export class ThreadClaims {
  constructor(private readonly log: EventLog) {}

  static subjectOf(tenant: string, threadId: string): string {
    return `thread.claimed.${hash('sha256', JSON.stringify([tenant, threadId]), 'hex').slice(0, 32)}`;
  }

  /** The last claim, if the log still has one. One that cannot be read names nobody. */
  async last(subject: string): Promise<ClaimedThread | undefined> {
    const jsm = await this.log.manager();
    const message = await ask(this.log.nc, () => jsm.streams.getMessage(LOG_STREAM, { last_by_subj: subject }));
    if (!message) return undefined;
    const named = dataOf(message.data);
    return { subject, seq: message.seq, runId: named?.runId ?? '', open: named?.open ?? [] };
  }

  /** Undefined when somebody else was faster. */
  async take(subject: string, previous: number, data: EventData<'thread.claimed'>): Promise<ThreadClaim | undefined> {
    // Not of the run alone: two replicas that take in the same submission must not hold one claim together.
    const id = `thread.claimed.${data.runId}.${previous}.${randomUUID()}`;
    const event = { type: 'thread.claimed', runId: data.runId, id, data } as NewEvent<'thread.claimed'>;
    const encoded = await this.log.encoder.encode(event as unknown as NewEvent, subject, { ttlSeconds: KEPT_SECONDS });
    const headers = headersOf(encoded).add(Header.expectedSeq, String(previous)).add(Header.rollup, 'sub');
    try {
      const { seq } = await publishUntilStored(this.log.nc, subject, headers, encoded.data);
      return { subject, seq };
    } catch (error) {
      if (isOvertaken(error)) return undefined;
      throw error;
    }
  }
}

function dataOf(bytes: Uint8Array): EventData<'thread.claimed'> | undefined {
  try {
    const data: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'));
    return validateEvent('thread.claimed', data).length === 0 ? (data as EventData<'thread.claimed'>) : undefined;
  } catch {
    return undefined;
  }
}
