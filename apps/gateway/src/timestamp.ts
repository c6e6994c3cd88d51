/** What a Date can hold: deadlines are computed from what users write. */
const LAST_DAY = 8.64e15;

let last = Number.NaN;
let text = '';

/** RFC 3339 of a time in milliseconds; a conversion, no clock. Events come in bursts of the same millisecond. */
export function timestampOf(ms: number): string {
  if (ms !== last) {
    last = ms;
    text = new Date(Math.max(-LAST_DAY, Math.min(LAST_DAY, ms)) || 0).toISOString();
  }
  return text;
}
