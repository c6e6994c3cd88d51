import { randomFillSync } from 'node:crypto';
import { ulid } from 'ulid';

/** A lower-case ULID: sorted by time, one token of a subject. */
export const newId = (): string => ulid(undefined, random).toLowerCase();

/** Randomness by the kilobyte: fetched one number at a time, it costs as much as the rest of an append. */
const pool = new Uint8Array(1024);
let used = pool.length;

/** A number from 0 up to but not including 1, with the five bits of precision that a character of a ULID has. */
function random(): number {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  return pool[used++]! / 256;
}
