import type { Static, TSchema } from '../schema.js';

export const services = ['gateway', 'planner', 'policy', 'registry', 'orchestrator', 'worker', 'server'] as const;
/** Who may append an event; `server` is nats-server itself (timers). */
export type ServiceName = (typeof services)[number];

/** An event, defined once: its TypeScript type, validator, subject, documentation and SSE mapping derive from this. */
export interface EventDefinition<T extends TSchema = TSchema> {
  version: number;
  by: ServiceName;
  /** What it says happened, in one sentence. */
  meaning: string;
  data: T;
  /** Has a further subject token by which a consumer filters: the capability key. */
  keyed?: boolean;
}

export const event = <T extends TSchema>(definition: EventDefinition<T>): EventDefinition<T> => definition;
export type DataOf<D> = D extends EventDefinition<infer T> ? Static<T> : never;
