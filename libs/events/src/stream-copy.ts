import { createInbox, type Msg, type NatsConnection } from '@nats-io/nats-core';
import type { StreamConfig, StreamState } from '@nats-io/jetstream';
import { inboxPrefixOf } from './connection-events.js';
import { reasonOf } from './errors.js';

/** What a server needs to make a stream again, besides its messages. */
export interface StreamCopy {
  config: StreamConfig;
  state: StreamState;
}

/** Small enough for any server's largest payload. */
const CHUNK_BYTES = 128 * 1024;
const ANSWER_MS = 30_000;
const EMPTY = new Uint8Array();

/**
 * Copies a stream as it is at one moment, with its consumers and how far they are, while everything goes on. The bytes
 * are the server's own (a compressed archive) and go to `sink` in order.
 */
export async function saveStream(
  nc: NatsConnection,
  stream: string,
  sink: (chunk: Uint8Array) => Promise<void>,
): Promise<StreamCopy> {
  const inbox = createInbox(inboxPrefixOf(nc));
  const subscription = nc.subscribe(inbox);
  try {
    const request = JSON.stringify({ deliver_subject: inbox, chunk_size: CHUNK_BYTES });
    const copy = await asked<StreamCopy>(nc, `$JS.API.STREAM.SNAPSHOT.${stream}`, request);
    for await (const message of subscription) {
      if (message.data.length === 0) {
        const { code, description } = message.headers ?? { code: 204, description: '' };
        if (code !== 0 && code !== 204) throw new Error(`stream ${stream} could not be copied: ${description || code}`);
        return { config: copy.config, state: copy.state };
      }
      await sink(message.data);
      // The server sends on when it hears that a chunk has arrived.
      message.respond();
    }
    throw new Error(`stream ${stream} could not be copied: the connection was closed`);
  } finally {
    subscription.unsubscribe();
  }
}

/** Makes a stream again from its copy. There must be none of that name. */
export async function restoreStream(
  nc: NatsConnection,
  copy: StreamCopy,
  chunks: AsyncIterable<Uint8Array>,
): Promise<void> {
  const { name } = copy.config;
  const { deliver_subject: target } = await asked<{ deliver_subject: string }>(
    nc,
    `$JS.API.STREAM.RESTORE.${name}`,
    JSON.stringify(copy),
  );
  for await (const chunk of chunks) {
    for (let from = 0; from < chunk.length; from += CHUNK_BYTES) {
      const { data } = await nc.request(target, chunk.subarray(from, from + CHUNK_BYTES), { timeout: ANSWER_MS });
      // It answers nothing while all is well.
      if (data.length > 0) throw new Error(`stream ${name} could not be restored: ${Buffer.from(data).toString()}`);
    }
  }
  const end = await nc.request(target, EMPTY, { timeout: ANSWER_MS });
  parsed(end, `stream ${name} could not be restored`);
}

async function asked<T>(nc: NatsConnection, subject: string, request: string): Promise<T> {
  let answer: Msg;
  try {
    answer = await nc.request(subject, request, { timeout: ANSWER_MS });
  } catch (error) {
    throw new Error(`${subject} got no answer: ${reasonOf(error)}`, { cause: error });
  }
  return parsed<T>(answer, subject);
}

function parsed<T>(message: Msg, about: string): T {
  const answer = message.json<T & { error?: { description?: string } }>();
  if (answer.error) throw new Error(`${about}: ${answer.error.description ?? 'refused'}`);
  return answer;
}
