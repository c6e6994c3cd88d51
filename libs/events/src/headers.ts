import type { MsgHdrs } from '@nats-io/nats-core';

/** Header names that Flex writes or reads. */
export const Header = {
  msgId: 'Nats-Msg-Id',
  expectedSeq: 'Nats-Expected-Last-Subject-Sequence',
  expectedSubject: 'Nats-Expected-Last-Subject-Sequence-Subject',
  schedule: 'Nats-Schedule',
  scheduleTarget: 'Nats-Schedule-Target',
  scheduler: 'Nats-Scheduler',
  scheduleNext: 'Nats-Schedule-Next',
  ttl: 'Nats-TTL',
  rollup: 'Nats-Rollup',
  traceparent: 'traceparent',
  claim: 'flex-claim',
  replayedFrom: 'flex-replayed-from',
  source: 'ce-source',
  schema: 'ce-dataschema',
  /** What the server adds to a message that is fetched by its sequence. */
  subject: 'Nats-Subject',
  storedAt: 'Nats-Time-Stamp',
} as const;

const START = 'NATS/1.0\r\n';

/**
 * A block of headers that is written as it will be sent. The client's own header map costs several times more to fill
 * and to encode, and each message of the log carries ten headers.
 */
export class HeaderBlock {
  #text: string;

  constructor(prefix = '') {
    this.#text = START + prefix;
  }

  add(name: string, value: string): this {
    this.#text += `${name}: ${value}\r\n`;
    return this;
  }

  /** The method of the client's header type that publishing calls. */
  encode(): Uint8Array {
    return Buffer.from(`${this.#text}\r\n`, 'latin1');
  }

  /** Publishing takes the client's header type and uses nothing of it but `encode`. */
  asMsgHdrs(): MsgHdrs {
    return this as unknown as MsgHdrs;
  }
}

/** A value that may stand in a header as it is: printable ASCII. Others are percent-encoded, as CloudEvents wants it. */
export function headerValue(value: string): string {
  return /^[\x21-\x24\x26-\x7e]*$/.test(value) ? value : encodeURIComponent(value);
}

/** The other way round. A value that somebody else encoded badly is taken as it is. */
export function plainValue(value: string): string {
  if (!value.includes('%')) return value;
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}

/** The value of one header in the raw block of a received message, or '' when it is not there. */
export function findHeader(block: string, name: string): string {
  const start = block.indexOf(`\r\n${name}: `);
  if (start < 0) return findUnspaced(block, name);
  const from = start + name.length + 4;
  const end = block.indexOf('\r\n', from);
  return end < 0 ? block.slice(from) : block.slice(from, end);
}

/** Headers that the server itself writes have no space after the colon in some cases. */
function findUnspaced(block: string, name: string): string {
  const start = block.indexOf(`\r\n${name}:`);
  if (start < 0) return '';
  const from = start + name.length + 3;
  const end = block.indexOf('\r\n', from);
  return (end < 0 ? block.slice(from) : block.slice(from, end)).trim();
}
