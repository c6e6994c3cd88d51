import type { NatsConnection } from '@nats-io/nats-core';
import { AckMux, NOTHING } from './ack-mux.js';
import { AppendRefused } from './errors.js';
import { ask } from './ask.js';
import { findHeader, Header, HeaderBlock } from './headers.js';
import { kvStream, kvSubject } from './names.js';
import { headerBlock } from './stored-message.js';

/** Somebody else changed the key since: look at it again, and decide again. */
export class StaleRevision extends Error {
  override readonly name = 'StaleRevision';
  constructor(readonly key: string) {
    super(`${key} was changed by somebody else`);
  }
}

export interface PutOptions {
  /** The revision that the key must still have; 0: it must not exist. */
  expected?: number;
  /** The key goes by itself after this long, and whoever watches is told. Rounded up to whole seconds. */
  ttlMs?: number;
}

const WRONG_LAST_SEQUENCE = new Set([10071, 10164]);
const TIMEOUT_MS = 5_000;

/** Writes a KV bucket as the NATS clients do, with many writes in flight and per-key time to live. */
export class BucketWriter {
  readonly #mux: AckMux;

  constructor(
    private readonly nc: NatsConnection,
    private readonly bucket: string,
  ) {
    this.#mux = AckMux.of(nc);
  }

  /** Resolves with the new revision. Rejects with {@link StaleRevision} or LogUnavailable (then it may be stored or not). */
  async put(key: string, value: Uint8Array | string, options: PutOptions = {}): Promise<number> {
    const headers = new HeaderBlock();
    if (options.expected !== undefined) headers.add(Header.expectedSeq, String(options.expected));
    if (options.ttlMs !== undefined) headers.add(Header.ttl, `${Math.max(1, Math.ceil(options.ttlMs / 1000))}s`);
    return this.#publish(key, headers, typeof value === 'string' ? Buffer.from(value) : value);
  }

  /** Writes a key that is not there, also where it was deleted or has expired. {@link StaleRevision}: somebody has it. */
  async create(key: string, value: Uint8Array | string, options: Pick<PutOptions, 'ttlMs'> = {}): Promise<number> {
    try {
      return await this.put(key, value, { ...options, expected: 0 });
    } catch (error) {
      const tombstone = error instanceof StaleRevision ? await this.#tombstoneOf(key) : undefined;
      if (tombstone === undefined) throw error;
      return this.put(key, value, { ...options, expected: tombstone });
    }
  }

  /** The revision of what a deletion or an expiry left behind; undefined while the key has a value. */
  async #tombstoneOf(key: string): Promise<number | undefined> {
    const subject = kvSubject(this.bucket, key);
    const message = await ask(this.nc, () => this.nc.request(`$JS.API.DIRECT.GET.${kvStream(this.bucket)}.${subject}`));
    const headers = headerBlock(message);
    if (headers.startsWith('NATS/1.0 404')) return 0;
    const gone = findHeader(headers, 'Nats-Marker-Reason') !== '' || findHeader(headers, 'KV-Operation') !== '';
    return gone ? Number(findHeader(headers, 'Nats-Sequence')) : undefined;
  }

  /** Removes a key; its tombstone says so to watchers, for ever or as long as `ttlMs`. */
  async remove(key: string, options: PutOptions = {}): Promise<number> {
    const headers = new HeaderBlock().add('KV-Operation', 'PURGE').add(Header.rollup, 'sub');
    if (options.expected !== undefined) headers.add(Header.expectedSeq, String(options.expected));
    if (options.ttlMs !== undefined) headers.add(Header.ttl, `${Math.max(1, Math.ceil(options.ttlMs / 1000))}s`);
    return this.#publish(key, headers, NOTHING);
  }

  async #publish(key: string, headers: HeaderBlock, data: Uint8Array): Promise<number> {
    try {
      return (await this.#mux.publish(kvSubject(this.bucket, key), headers.asMsgHdrs(), data, TIMEOUT_MS)).seq;
    } catch (error) {
      if (error instanceof AppendRefused && WRONG_LAST_SEQUENCE.has(error.code)) throw new StaleRevision(key);
      throw error;
    }
  }
}
