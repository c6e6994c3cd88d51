import { promisify } from 'node:util';
import { constants, gunzip, gzip } from 'node:zlib';
import type { StoredEvent } from '@flex/contracts';
import type { LogEvent } from '@flex/events';

const compress = promisify<Buffer, object, Buffer>(gzip);
const expand = promisify<Buffer, Buffer>(gunzip);

/** An archived event: what the log held, with its digest; the data's text is byte for byte as it was written. */
export type ArchivedEvent = StoredEvent & { digest: string };

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
    return `${head.slice(0, -1)},"data":${Buffer.from(event.bytes).toString('utf8')}}`;
  });
  return compress(Buffer.from(lines.join('\n')), { level: constants.Z_BEST_SPEED });
}

export async function unpackHistory(history: Buffer): Promise<ArchivedEvent[]> {
  const text = (await expand(history)).toString('utf8');
  return text === '' ? [] : text.split('\n').map((line) => JSON.parse(line) as ArchivedEvent);
}

/** The data's text of an archived line, for checking the digest. */
export async function archivedLines(history: Buffer): Promise<string[]> {
  return (await expand(history)).toString('utf8').split('\n');
}
