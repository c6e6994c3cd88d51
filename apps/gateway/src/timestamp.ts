let last = Number.NaN;
let text = '';

/** RFC 3339 of a time in milliseconds; a conversion, no clock. Events come in bursts of the same millisecond. */
export function timestampOf(ms: number): string {
  if (ms !== last) {
    last = ms;
    text = new Date(ms).toISOString();
  }
  return text;
}
