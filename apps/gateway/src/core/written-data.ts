/** An event's data as its writer put it into the log. */
export interface WrittenData {
  data: unknown;
  /** The text itself, where it is another than this code would write for the same data: what the digest was made of. */
  text?: string;
}

/** Agents may be written in any language, and each has its own way with spaces, line ends, escapes and numbers. */
export function writtenData(bytes: Uint8Array): WrittenData {
  const text = new TextDecoder().decode(bytes);
  const data: unknown = JSON.parse(text);
  return JSON.stringify(data) === text ? { data } : { data, text };
}
