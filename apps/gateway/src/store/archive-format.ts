import { promisify } from 'node:util';
import { constants, gunzip, gzip } from 'node:zlib';
import { definitionOf, upcast, type StoredEvent } from '@flex/contracts';
import type { LogEvent } from '@flex/events';
import { writtenData } from '../core/written-data.js';

const compress = promisify<Buffer, object, Buffer>(gzip);
const expand = promisify<Buffer, Buffer>(gunzip);

/** An archived event: what the log held, with its digest. */
export type ArchivedEvent = StoredEvent & {
  digest: string;
  /** The data's text as it was written, where it is another than that of `JSON.stringify`. */
  text?: string;
  /** The data as it was written, where that is an older form than `data`. */
  written?: unknown;
};

/** A run's history as compressed JSON lines, one event each, in order. */
export async function packHistory(events: readonly LogEvent[]): Promise<Buffer> {
  const lines = events.map((event) => {
    const { seq, time, id, type, version, key, source, traceparent } = event;
    const head = JSON.stringify({
      seq,
      time,
      id,
      type,
      version,
      runId: event.runId,
      key,
      source,
      traceparent,
      digest: event.digest(),
    });
    // Not the bytes themselves: somebody's JSON may have line ends in it.
    return `${head.slice(0, -1)},${JSON.stringify(writtenData(event.bytes)).slice(1)}`;
  });
  return compress(Buffer.from(lines.join('\n')), { level: constants.Z_BEST_SPEED });
}

/** What a newer release wrote and this one cannot read is left out, as readers of the log do. */
export async function unpackHistory(history: Buffer): Promise<ArchivedEvent[]> {
  const text = (await expand(history)).toString('utf8');
  const events = text === '' ? [] : text.split('\n').map((line) => JSON.parse(line) as ArchivedEvent);
  return events.filter(({ type, version }) => version <= (definitionOf(type)?.version ?? 0)).map(current);
}

function current(event: ArchivedEvent): ArchivedEvent {
  const data = upcast(event.type, event.version, event.data);
  return data === event.data ? event : ({ ...event, data, written: event.data } as ArchivedEvent);
}
