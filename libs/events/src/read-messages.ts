import type { Msg } from '@nats-io/nats-core';
import type { EventLog } from './event-log.js';
import { findHeader, Header } from './headers.js';
import { LOG_STREAM } from './names.js';
import type { Delivered } from './ordered-reader.js';
import type { RunReading } from './read-run.js';
import { headerBlock, type LogEvent } from './stored-message.js';
import { decodeBatch } from './tail.js';

/** Questions on their way at once. */
const WINDOW = 64;
const TIMEOUT_MS = 2_000;

/**
 * The events at known places of the log, in order; undefined when one of them is not there (any more, or yet on the
 * replica of the stream that was asked), or nobody answered: whoever asks has {@link readRun} for that. What the server
 * looks up by sequence costs the same however long the log is, while looking a run up by its subjects walks over the runs
 * of its partition and through whole blocks of messages.
 */
export async function readMessages(
  log: EventLog,
  seqs: readonly number[],
  { onPoison, keepNewer }: Pick<RunReading, 'onPoison' | 'keepNewer'>,
): Promise<LogEvent[] | undefined> {
  const delivered: Delivered[] = [];
  for (let start = 0; start < seqs.length; start += WINDOW) {
    const found = await Promise.all(seqs.slice(start, start + WINDOW).map((seq) => messageAt(log, seq)));
    for (const message of found) {
      if (message === undefined) return undefined;
      delivered.push(message);
    }
  }
  return (await decodeBatch(delivered, log.claims, onPoison, undefined, keepNewer)) as unknown as LogEvent[];
}

async function messageAt(log: EventLog, seq: number): Promise<Delivered | undefined> {
  const question = JSON.stringify({ seq });
  const asked = log.nc.request(`$JS.API.DIRECT.GET.${LOG_STREAM}`, question, { timeout: TIMEOUT_MS });
  const answer = await asked.catch(() => undefined);
  if (!answer) return undefined;
  const headers = headerBlock(answer);
  const subject = findHeader(headers, Header.subject);
  if (subject === '') return undefined;
  const message = { subject, data: answer.data, headers: { toString: () => headers } } as unknown as Msg;
  const time = Date.parse(findHeader(headers, Header.storedAt));
  const delivery = { stream: LOG_STREAM, consumer: '', attempt: 1, seq, deliverySeq: 0, time, pending: 0 };
  return { message, delivery };
}
