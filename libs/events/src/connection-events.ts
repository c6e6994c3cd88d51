import { PermissionViolationError, type NatsConnection } from '@nats-io/nats-core';

type Listener = () => void;

interface Hub {
  connected: boolean;
  reconnect: Set<Listener>;
  disconnect: Set<Listener>;
  forbidden: Set<(subject: string) => void>;
  closed: Set<Listener>;
}

const hubs = new WeakMap<NatsConnection, Hub>();

/** One status loop for a connection, however many readers and writers care. */
function hubOf(nc: NatsConnection): Hub {
  let hub = hubs.get(nc);
  if (!hub) {
    hub = { connected: true, reconnect: new Set(), disconnect: new Set(), forbidden: new Set(), closed: new Set() };
    const { closed } = hub;
    void nc.closed().then(() => {
      for (const listener of [...closed]) listener();
    });
    hubs.set(nc, hub);
    void follow(nc, hub);
  }
  return hub;
}

async function follow(nc: NatsConnection, hub: Hub): Promise<void> {
  for await (const status of nc.status()) {
    if (status.type === 'disconnect') {
      hub.connected = false;
      for (const listener of [...hub.disconnect]) listener();
    } else if (status.type === 'reconnect') {
      hub.connected = true;
      for (const listener of [...hub.reconnect]) listener();
    } else if (status.type === 'error' && status.error instanceof PermissionViolationError) {
      const { operation, subject } = status.error;
      if (operation === 'publish') for (const listener of [...hub.forbidden]) listener(subject);
    }
  }
}

/** Calls back whenever the connection is there again. What was in flight before may or may not have arrived. */
export function onReconnect(nc: NatsConnection, listener: Listener): () => void {
  const { reconnect } = hubOf(nc);
  reconnect.add(listener);
  return () => reconnect.delete(listener);
}

export function onDisconnect(nc: NatsConnection, listener: Listener): () => void {
  const { disconnect } = hubOf(nc);
  disconnect.add(listener);
  return () => disconnect.delete(listener);
}

/** Calls back when the connection was closed for good. A promise would keep every listener it ever had. */
export function onClosed(nc: NatsConnection, listener: Listener): () => void {
  const { closed } = hubOf(nc);
  closed.add(listener);
  return () => closed.delete(listener);
}

/** Calls back with the subject of a publish that the server did not permit: it never answers such a message. */
export function onForbidden(nc: NatsConnection, listener: (subject: string) => void): () => void {
  const { forbidden } = hubOf(nc);
  forbidden.add(listener);
  return () => forbidden.delete(listener);
}

/** Whether the server is reachable as far as this client knows: for readiness. */
export const isConnected = (nc: NatsConnection): boolean => hubOf(nc).connected && !nc.isClosed();

/** The reply prefix that the connection was made with; permissions may give each service its own. */
export function inboxPrefixOf(nc: NatsConnection): string | undefined {
  return (nc as unknown as { options?: { inboxPrefix?: string } }).options?.inboxPrefix;
}
