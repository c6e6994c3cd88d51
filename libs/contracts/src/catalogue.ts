import type { DataOf, EventDefinition, ServiceName } from './events/define.js';
import { gatewayEvents } from './events/gateway.js';
import { orchestratorEvents, serverEvents } from './events/orchestrator.js';
import { plannerEvents } from './events/planner.js';
import { policyEvents } from './events/policy.js';
import { registryEvents } from './events/registry.js';
import { threadEvents } from './events/threads.js';
import { workerEvents } from './events/worker.js';

/** Every event of the log of runs (stream FLEX), once. */
export const runCatalogue = {
  ...gatewayEvents,
  ...policyEvents,
  ...plannerEvents,
  ...workerEvents,
  ...orchestratorEvents,
  ...serverEvents,
} as const;

/** Every event, also those of threads and of stream REGISTRY. */
export const catalogue = { ...runCatalogue, ...threadEvents, ...registryEvents } as const;

export type RunEventType = keyof typeof runCatalogue;
export type EventType = keyof typeof catalogue;
export type EventData<T extends EventType = EventType> = DataOf<(typeof catalogue)[T]>;

/** An event as a decision, before it is in the log. */
export type NewEvent<T extends EventType = RunEventType> = {
  [K in T]: {
    type: K;
    runId: string;
    /** Derived from what was decided, about what, at which version and attempt: a repeat is the same message. */
    id: string;
    data: EventData<K>;
    /** Further subject token (`keyed` events). */
    key?: string;
    traceparent?: string;
  };
}[T];

/** An event as the log holds it. */
export type StoredEvent<T extends EventType = RunEventType> = {
  [K in T]: {
    type: K;
    /** Of the form in which it was written. */
    version: number;
    runId: string;
    id: string;
    /** In the form of today, whatever the version. */
    data: EventData<K>;
    key?: string;
    /** Sequence in the log. */
    seq: number;
    /** Server time, milliseconds since the epoch: the only clock that decisions know. */
    time: number;
    source: string;
    traceparent?: string;
  };
}[T];

export const eventTypes = Object.keys(catalogue) as EventType[];
export const definitionOf = (type: string): EventDefinition | undefined =>
  Object.hasOwn(catalogue, type) ? (catalogue as Record<string, EventDefinition>)[type] : undefined;

/** What each service appends: the table that bus permissions are made from. */
export const appendsOf = (service: ServiceName): EventType[] =>
  eventTypes.filter((type) => catalogue[type].by === service);

/** Ends a switch over a closed union: the compiler names the case that was forgotten. */
export function unreachable(value: never): never {
  throw new Error(`Not handled: ${JSON.stringify(value)}`);
}
