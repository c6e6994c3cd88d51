import { registrySubject, type EventData, type NewEvent } from '@flex/contracts';
import type { PubAck } from './ack-mux.js';
import { headersOf } from './encode-event.js';
import type { EventLog } from './event-log.js';
import { REGISTRY_STREAM } from './names.js';
import { OrderedReader } from './ordered-reader.js';
import { publishUntilStored } from './publish.js';

export type RegistryEventType =
  'capability.registered' | 'capability.lost' | 'capability.deregistered' | 'facet.published';

/** A fact of the registry: about whom (tenant and name) instead of about which run. */
export interface Announcement<T extends RegistryEventType = RegistryEventType> {
  type: T;
  tenant: string;
  name: string;
  /** Derived from what is announced: a repeat is the same message. */
  id: string;
  data: EventData<T>;
}

/** Appends to stream REGISTRY. */
export async function announce<T extends RegistryEventType>(log: EventLog, fact: Announcement<T>): Promise<PubAck> {
  const event = { type: fact.type, runId: '', id: fact.id, data: fact.data } as unknown as NewEvent;
  const encoded = await log.encoder.encode(event, registrySubject(fact.type, fact.tenant, fact.name));
  return publishUntilStored(log.nc, encoded.subject, headersOf(encoded), encoded.data);
}

export interface StoredAnnouncement {
  type: RegistryEventType;
  tenant: string;
  name: string;
  seq: number;
  data: unknown;
}

/** The last announcement of each kind about each name, oldest first: enough to build the registry again. */
export async function lastAnnouncements(log: EventLog): Promise<StoredAnnouncement[]> {
  const found: StoredAnnouncement[] = [];
  let attached: number | undefined;
  const end = new AbortController();
  const reader = new OrderedReader({
    nc: log.nc,
    stream: REGISTRY_STREAM,
    filters: ['capability.>', 'facet.>'],
    lastPerSubject: true,
    signal: end.signal,
    onAttached: ({ pending }) => {
      attached = pending;
      if (pending === 0) end.abort();
    },
  });
  for await (const batch of reader) {
    for (const { message, delivery } of batch) {
      const parsed = parse(message.subject, delivery.seq, message.data);
      if (parsed) found.push(parsed);
    }
    if (attached !== undefined && batch.some(({ delivery }) => delivery.pending === 0)) break;
  }
  return found.sort((a, b) => a.seq - b.seq);
}

function parse(subject: string, seq: number, bytes: Uint8Array): StoredAnnouncement | undefined {
  const [entity, event, tenant, ...name] = subject.split('.');
  if (!entity || !event || !tenant || name.length === 0) return undefined;
  try {
    const data: unknown = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'));
    return { type: `${entity}.${event}` as RegistryEventType, tenant, name: name.join('.'), seq, data };
  } catch {
    return undefined;
  }
}
