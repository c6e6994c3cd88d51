import type { NatsConnection } from '@nats-io/nats-core';

/** The part of the client's protocol handler that writes to the socket. */
interface Protocol {
  flushPending(): void;
  close(error?: Error): Promise<void>;
  drain(): Promise<void>;
  outbound: { size(): number };
}

/** What can wait is written at the latest after this, in milliseconds. */
const LATER_MS = 10;

/** How a connection that {@link coalesceWrites} was applied to takes what can wait. */
const patient = new WeakMap<NatsConnection, (publish: () => void) => void>();

/**
 * Publishes along with the next message that goes out on the connection, or a few milliseconds from now: for what nobody
 * waits for, and a write of its own would wake the server up for.
 */
export function publishLater(nc: NatsConnection, publish: () => void): void {
  const later = patient.get(nc);
  if (later) later(publish);
  else publish();
}

/** From this size on waiting saves nothing: a write is a write. */
const LARGE = 64 * 1024;

/**
 * Lets the client write once per turn of the event loop instead of once per microtask. Handlers that each publish an
 * answer would otherwise cost a system call each, which under load is a third of what a service does. The delay is the
 * rest of the turn: microseconds.
 *
 * It reaches into the client, whose version is pinned; with another one that has no such method it does nothing.
 */
export function coalesceWrites(nc: NatsConnection): void {
  const { protocol } = nc as unknown as { protocol?: Partial<Protocol> };
  const write = protocol?.flushPending?.bind(protocol);
  const close = protocol?.close?.bind(protocol);
  const drain = protocol?.drain?.bind(protocol);
  if (!protocol?.outbound || !write || !close || !drain) return;
  const { outbound } = protocol;
  let scheduled = false;
  let patience: NodeJS.Timeout | undefined;
  const waiting: (() => void)[] = [];
  const flush = (): void => {
    clearTimeout(patience);
    patience = undefined;
    for (const publish of waiting.splice(0)) publish();
    write();
  };
  patient.set(nc, (publish) => {
    waiting.push(publish);
    patience ??= setTimeout(flush, LATER_MS);
  });
  const flushNow = (): void => {
    scheduled = false;
    flush();
  };
  protocol.flushPending = () => {
    if (outbound.size() >= LARGE) return flush();
    if (scheduled) return;
    scheduled = true;
    setImmediate(flushNow);
  };
  // Nothing is published any more once a connection drains.
  protocol.drain = () => {
    flush();
    return drain();
  };
  protocol.close = (error) => {
    flush();
    return close(error);
  };
}
