export interface SseEvent {
  event: string;
  data: string;
  /** Undefined when the event carries none: the cursor stays where it is. */
  id?: string;
}

/** Takes text as it arrives, in pieces of any size, and gives the events that are complete (WHATWG, section 9.2.6). */
export class SseParser {
  /**
   * Pieces of a line that has not ended yet. They are joined once, and each is looked through once: a frame of 20 MB comes
   * in hundreds of them.
   */
  #pieces: string[] = [];
  /** The last piece ended with CR: an LF at the beginning of the next one belongs to it. */
  #afterReturn = false;
  #event = '';
  #data: string[] = [];
  #id: string | undefined;
  /** What the server asked for with `retry:`, milliseconds. */
  retryMs: number | undefined;

  feed(text: string): SseEvent[] {
    const events: SseEvent[] = [];
    if (text === '') return events;
    const ends = /\r\n?|\n/g;
    ends.lastIndex = this.#afterReturn && text.startsWith('\n') ? 1 : 0;
    this.#afterReturn = text.endsWith('\r');
    for (let from = ends.lastIndex; ; from = ends.lastIndex) {
      const end = ends.exec(text);
      this.#pieces.push(text.slice(from, end?.index));
      if (!end) return events;
      const event = this.#line(this.#pieces.join(''));
      this.#pieces = [];
      if (event) events.push(event);
    }
  }

  #line(line: string): SseEvent | undefined {
    if (line === '') return this.#dispatch();
    if (line.startsWith(':')) return undefined;
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + (line[colon + 1] === ' ' ? 2 : 1));
    if (field === 'event') this.#event = value;
    else if (field === 'data') this.#data.push(value);
    else if (field === 'id' && !value.includes('\0')) this.#id = value;
    else if (field === 'retry' && /^\d+$/.test(value)) this.retryMs = Number(value);
    return undefined;
  }

  #dispatch(): SseEvent | undefined {
    const event = { event: this.#event || 'message', data: this.#data.join('\n'), id: this.#id };
    const empty = this.#data.length === 0;
    this.#event = '';
    this.#data = [];
    this.#id = undefined;
    return empty ? undefined : event;
  }
}
