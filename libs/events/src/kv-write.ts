import type { NatsConnection } from '@nats-io/nats-core';
import { ask } from './ask.js';
import { AppendRefused } from './errors.js';
import { findHeader, Header, HeaderBlock } from './headers.js';
import { kvStream, kvSubject } from './names.js';
import { publishUntilStored } from './publish.js';
import { headerBlock } from './stored-message.js';

export interface KvPut {
  /** Store only if the key is at this revision. */
  expected?: number;
  /** The key vanishes after this; the server counts in whole seconds. Watchers see a marker. */
  ttlMs?: number;
}

const KEY = /^[-/_=.~a-zA-Z0-9]+$/;

/** Writes a key as JSON. Returns the revision, or undefined when the key was not at the expected revision. */
export async function kvPut(
  nc: NatsConnection,
  bucket: string,
  key: string,
  value: unknown,
  options: KvPut = {},
): Promise<number | undefined> {
  const headers = new HeaderBlock();
  if (options.ttlMs !== undefined) headers.add(Header.ttl, `${Math.max(1, Math.ceil(options.ttlMs / 1000))}s`);
  return write(nc, bucket, key, headers, Buffer.from(JSON.stringify(value)), options.expected);
}

/** Creates a key that is not there, also where it was deleted or has expired. Undefined when somebody has it. */
export async function kvCreate(
  nc: NatsConnection,
  bucket: string,
  key: string,
  value: unknown,
  options: Pick<KvPut, 'ttlMs'> = {},
): Promise<number | undefined> {
  const revision = await kvPut(nc, bucket, key, value, { ...options, expected: 0 });
  if (revision !== undefined) return revision;
  const last = await lastOf(nc, bucket, key);
  if (!last.removed) return undefined;
  return kvPut(nc, bucket, key, value, { ...options, expected: last.revision });
}

/** The last message of a key: a value, or the marker that a deletion or expiry left. */
async function lastOf(nc: NatsConnection, bucket: string, key: string): Promise<{ revision: number; removed: boolean }> {
  const message = await ask(nc, () => nc.request(`$JS.API.DIRECT.GET.${kvStream(bucket)}.${kvSubject(bucket, key)}`));
  const headers = headerBlock(message);
  if (/^NATS\/1\.0 \d/.test(headers)) return { revision: 0, removed: true };
  const operation = findHeader(headers, 'KV-Operation');
  const removed = findHeader(headers, 'Nats-Marker-Reason') !== '' || operation === 'DEL' || operation === 'PURGE';
  return { revision: Number(findHeader(headers, 'Nats-Sequence')), removed };
}

/** Deletes a key; watchers see it. Returns undefined when the key was not at the expected revision. */
export async function kvDelete(
  nc: NatsConnection,
  bucket: string,
  key: string,
  expected?: number,
): Promise<number | undefined> {
  return write(nc, bucket, key, new HeaderBlock().add('KV-Operation', 'DEL'), Buffer.alloc(0), expected);
}

async function write(
  nc: NatsConnection,
  bucket: string,
  key: string,
  headers: HeaderBlock,
  data: Uint8Array,
  expected: number | undefined,
): Promise<number | undefined> {
  if (!KEY.test(key) || key.startsWith('.') || key.endsWith('.')) throw new Error(`not a key: ${JSON.stringify(key)}`);
  if (expected !== undefined) headers.add(Header.expectedSeq, String(expected));
  try {
    return (await publishUntilStored(nc, kvSubject(bucket, key), headers, data)).seq;
  } catch (error) {
    if (error instanceof AppendRefused && expected !== undefined) return undefined;
    throw error;
  }
}
