import { hash } from 'node:crypto';
import { Objm, setSha256Backend, type ObjectStore } from '@nats-io/obj';
import type { NatsConnection } from '@nats-io/nats-core';
import { ask } from './ask.js';
import { ClaimNames } from './claim-names.js';
import { ContractViolation } from './errors.js';
import { Bucket } from './names.js';

/** What a message carries in place of its data: header `flex-claim: <sha256>/<size>`. */
export interface Claim {
  sha256: string;
  size: number;
}

/** Data from this size on goes to the object store: NATS carries 1 MB, and readers should not page in what they skip. */
export const CLAIM_THRESHOLD = 256 * 1024;

/** Half of what NATS carries: fewer round trips than the client's own 128 KB. */
const CHUNK_BYTES = 512 * 1024;

const CACHE_BYTES = 64 * 1024 * 1024;

export const claimHeader = (claim: Claim): string => `${claim.sha256}/${claim.size}`;

export function parseClaim(header: string): Claim {
  const [sha256 = '', size = ''] = header.split('/');
  if (!/^[0-9a-f]{64}$/.test(sha256) || !/^\d+$/.test(size)) throw new ContractViolation(`malformed claim ${header}`);
  return { sha256, size: Number(size) };
}

/**
 * Large payloads, by run and content. The name holds the run so that a run's payloads can be deleted with it without
 * counting who else refers to them.
 */
export class ClaimStore {
  readonly #nc: NatsConnection;
  #store: Promise<ObjectStore> | undefined;
  #names: ClaimNames | undefined;
  /** Content never changes under its hash, so the cache needs no invalidation; oldest use is first in the map. */
  readonly #cache = new Map<string, Uint8Array>();
  #cached = 0;
  readonly #loading = new Map<string, Promise<Uint8Array>>();

  constructor(nc: NatsConnection) {
    // The client hashes in JavaScript by default: a second of CPU for 20 MB instead of 20 milliseconds.
    setSha256Backend('native');
    this.#nc = nc;
  }

  /** Stores the bytes and says how to claim them. Storing the same bytes for the same run again writes nothing. */
  async put(runId: string, bytes: Uint8Array): Promise<Claim> {
    const claim = { sha256: hash('sha256', bytes, 'hex'), size: bytes.length };
    const name = nameOf(runId, claim);
    const store = await this.#open();
    await ask(this.#nc, async () => {
      const present = await store.info(name);
      if (present && !present.deleted && present.size === bytes.length) return;
      await store.put({ name, options: { max_chunk_size: CHUNK_BYTES } }, streamOf(bytes));
    });
    this.#remember(name, bytes);
    return claim;
  }

  /** The bytes behind a claim. Throws {@link ContractViolation} when they are gone or not what was claimed. */
  async get(runId: string, claim: Claim): Promise<Uint8Array> {
    const name = nameOf(runId, claim);
    const cached = this.#cache.get(name);
    if (cached) {
      this.#remember(name, cached);
      return cached;
    }
    let loading = this.#loading.get(name);
    if (!loading) {
      loading = this.#load(name, claim).finally(() => this.#loading.delete(name));
      this.#loading.set(name, loading);
    }
    return loading;
  }

  /** Deletes all payloads of a run. */
  async deleteOf(runId: string): Promise<void> {
    this.#names ??= new ClaimNames(this.#nc);
    for (const sha256 of await this.#names.of(runId)) {
      const store = await this.#open();
      const name = nameOf(runId, { sha256 });
      this.#forget(name);
      await ask(this.#nc, async () => {
        if (await store.info(name)) await store.delete(name);
      });
    }
  }

  async #load(name: string, claim: Claim): Promise<Uint8Array> {
    const store = await this.#open(Number.POSITIVE_INFINITY);
    // A reader waits for a server that is away: to skip the event would be a gap.
    const bytes = await ask(this.#nc, () => fetchBytes(store, name), Number.POSITIVE_INFINITY);
    if (!bytes) throw new ContractViolation(`the payload ${claimHeader(claim)} is not in the object store`);
    if (hash('sha256', bytes, 'hex') !== claim.sha256) {
      throw new ContractViolation(`the payload ${claimHeader(claim)} was altered in the object store`);
    }
    this.#remember(name, bytes);
    return bytes;
  }

  #open(giveUpAfterMs?: number): Promise<ObjectStore> {
    this.#store ??= ask(this.#nc, () => new Objm(this.#nc).open(Bucket.claims), giveUpAfterMs).catch(
      (error: unknown) => {
        this.#store = undefined;
        throw error;
      },
    );
    return this.#store;
  }

  #remember(name: string, bytes: Uint8Array): void {
    this.#forget(name);
    this.#cache.set(name, bytes);
    this.#cached += bytes.length;
    for (const oldest of this.#cache.keys()) {
      if (this.#cached <= CACHE_BYTES || oldest === name) break;
      this.#forget(oldest);
    }
  }

  #forget(name: string): void {
    const bytes = this.#cache.get(name);
    if (!bytes) return;
    this.#cache.delete(name);
    this.#cached -= bytes.length;
  }
}

/** In pieces of a chunk: the client copies all that is left for each chunk that it cuts off a larger piece. */
function streamOf(bytes: Uint8Array): ReadableStream<Uint8Array> {
  let from = 0;
  return new ReadableStream<Uint8Array>({
    pull(controller) {
      if (from >= bytes.length) return controller.close();
      controller.enqueue(bytes.subarray(from, from + CHUNK_BYTES));
      from += CHUNK_BYTES;
    },
  });
}

async function fetchBytes(store: ObjectStore, name: string): Promise<Uint8Array | undefined> {
  const found = await store.get(name);
  if (!found) return undefined;
  const bytes = await collect(found.data);
  const fault = await found.error;
  if (fault) throw fault;
  return bytes;
}

async function collect(stream: ReadableStream<Uint8Array>): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of stream) pieces.push(piece);
  return Buffer.concat(pieces);
}

const nameOf = (runId: string, { sha256 }: Pick<Claim, 'sha256'>): string => `${runId}/${sha256}`;
