import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { headers, type MsgHdrs } from '@nats-io/nats-core';
import { connectNats, LOG_STREAM, OrderedReader } from '@flex/events';
import { natsAccess } from '../harness/nats-access.js';

const RAW_STREAM = 'FLEX_RAW';
const IN_FLIGHT = 256;

export interface RawLimit {
  messages: number;
  ms: number;
}

/**
 * The least that the server needs for the very messages of a measurement: they are published again, as fast as it takes
 * them, into a stream of their own, and read back by one consumer. Nobody decides, validates, works or projects.
 * `fromSeq`, `toSeq`: which messages of the log, both included.
 */
export async function rawLimit(natsUrl: string, fromSeq: number, toSeq: number): Promise<RawLimit> {
  const { servers, user, pass } = natsAccess(natsUrl);
  const nc = await connectNats({ url: servers.join(), name: 'bench-raw', user, pass });
  const jsm = await jetstreamManager(nc);
  try {
    const messages: { subject: string; headers: MsgHdrs; data: Uint8Array }[] = [];
    const log = new OrderedReader({ nc, stream: LOG_STREAM, fromSeq, prefetch: 4096 });
    for (let seq = 0; seq < toSeq;) {
      for (const { message, delivery } of (await log.take(4096))!) {
        seq = delivery.seq;
        if (seq <= toSeq) messages.push({ ...message, headers: spoken(message.headers), data: message.data.slice() });
      }
    }
    log.close();
    await jsm.streams.add({ name: RAW_STREAM, subjects: ['raw.>'] });
    const js = jetstream(nc);
    const reader = new OrderedReader({ nc, stream: RAW_STREAM, prefetch: 4096 });
    const begun = performance.now();
    const reading = (async () => {
      for (let seen = 0; seen < messages.length;) seen += (await reader.take(4096))!.length;
      return performance.now() - begun;
    })();
    let next = 0;
    const publishing = Array.from({ length: IN_FLIGHT }, async () => {
      for (let message = messages[next++]; message; message = messages[next++])
        await js.publish(`raw.${message.subject}`, message.data, { headers: message.headers });
    });
    await Promise.all(publishing);
    const ms = await reading;
    reader.close();
    return { messages: messages.length, ms };
  } finally {
    await jsm.streams.delete(RAW_STREAM).catch(() => undefined);
    await nc.close();
  }
}

/** Without what makes the server do something: conditions, schedules, deduplication. */
function spoken(all: MsgHdrs | undefined): MsgHdrs {
  const kept = headers();
  for (const [key, values] of all ?? [])
    if (!key.startsWith('Nats-')) for (const value of values) kept.append(key, value);
  return kept;
}

/** The last sequence of the log. */
export async function lastSeq(natsUrl: string): Promise<number> {
  const { servers, user, pass } = natsAccess(natsUrl);
  const nc = await connectNats({ url: servers.join(), name: 'bench-raw', user, pass });
  try {
    return (await (await jetstreamManager(nc)).streams.info(LOG_STREAM)).state.last_seq;
  } finally {
    await nc.close();
  }
}
