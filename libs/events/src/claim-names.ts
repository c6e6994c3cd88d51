import type { Msg, NatsConnection } from '@nats-io/nats-core';
import { Bucket, objectStoreStream } from './names.js';
import { OrderedReader, type Delivered } from './ordered-reader.js';

const META = `$O.${Bucket.claims}.M.`;

/**
 * Which large payloads each run has, from the object store itself: what it says of an object stands under the object's
 * name, and that begins with the run. All names are read once, and new ones as they come.
 */
export class ClaimNames {
  readonly #hashes = new Map<string, Set<string>>();
  readonly #read: Promise<void>;

  constructor(nc: NatsConnection) {
    let done!: () => void;
    this.#read = new Promise((resolve) => (done = resolve));
    let left: number | undefined;
    const reader = new OrderedReader({
      nc,
      stream: objectStoreStream(Bucket.claims),
      filters: [`${META}>`],
      onAttached: ({ pending }) => {
        left ??= pending;
        if (left === 0) done();
      },
    });
    void (async () => {
      for await (const batch of reader) {
        for (const delivered of batch) this.#take(delivered);
        left = (left ?? 0) - batch.length;
        if (left <= 0) done();
      }
      // The connection is closed: whoever still waits finds nothing.
      done();
    })();
  }

  /** The hashes of a run's payloads. */
  async of(runId: string): Promise<string[]> {
    await this.#read;
    return [...(this.#hashes.get(runId) ?? [])];
  }

  #take({ message }: Delivered): void {
    const [runId = '', sha256 = ''] = Buffer.from(message.subject.slice(META.length), 'base64url')
      .toString()
      .split('/');
    const hashes = this.#hashes.get(runId) ?? new Set();
    if (isThere(message)) hashes.add(sha256);
    else hashes.delete(sha256);
    if (hashes.size > 0) this.#hashes.set(runId, hashes);
    else this.#hashes.delete(runId);
  }
}

/** Workers may write here, and they may be anybody's: what is not as the client writes it is no payload. */
function isThere(message: Msg): boolean {
  try {
    const info = message.json<{ deleted?: boolean } | null>();
    return info !== null && typeof info === 'object' && info.deleted !== true;
  } catch {
    return false;
  }
}
