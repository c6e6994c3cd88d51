import type { Capability, RegisteredCapability } from '@flex/contracts';
import { healthAfterLoss } from './health.js';

/** A registration without instance counts as the first heartbeat, under this name. */
export const REGISTRATION = 'registration';

const MISSED_HEARTBEATS = 3;

/** After this long without a heartbeat an instance is gone; undefined: the capability sends none. */
export function heartbeatTimeoutMs(capability: Pick<Capability, 'heartbeat'>): number | undefined {
  const { heartbeat } = capability;
  if (!heartbeat) return undefined;
  return Math.max(1000, (heartbeat.timeoutSeconds ?? heartbeat.intervalSeconds * MISSED_HEARTBEATS) * 1000);
}

export type Departure = 'lost' | 'goodbye';

/** What the presence of instances says about a capability: it comes back, it goes, or nothing changes. */
export type PresenceVerdict =
  | { change: 'none' }
  | { change: 'revive'; next: RegisteredCapability }
  | { change: 'retire'; next: RegisteredCapability; reason: string };

/** Level-triggered: looks at what is, not at which message said so; asking again changes nothing. A loss costs health. */
export function judgePresence(
  capability: RegisteredCapability,
  instances: number,
  departure: Departure,
  now: number,
): PresenceVerdict {
  if (!capability.heartbeat) return { change: 'none' };
  if (instances > 0) {
    if (capability.status === 'active') return { change: 'none' };
    const { inactiveReason: _gone, ...rest } = capability;
    return { change: 'revive', next: { ...rest, status: 'active' } };
  }
  if (capability.status === 'inactive') return { change: 'none' };
  const seconds = (heartbeatTimeoutMs(capability) ?? 0) / 1000;
  const reason = departure === 'goodbye' ? 'its last instance said goodbye' : `no heartbeat for ${seconds} s`;
  const health = departure === 'lost' ? healthAfterLoss(capability, now) : {};
  return { change: 'retire', next: { ...capability, status: 'inactive', inactiveReason: reason, ...health }, reason };
}

/** Which instances of which capability are there, by the keys of the heartbeat bucket. */
export class Presence {
  readonly #instances = new Map<string, Set<string>>();

  /** Number of instances after the change; undefined when the key is no heartbeat. */
  apply(key: string, gone: boolean): { capability: string; instances: number } | undefined {
    const end = key.lastIndexOf('.');
    if (end < 1) return undefined;
    const capability = key.slice(0, end);
    const instance = key.slice(end + 1);
    let set = this.#instances.get(capability);
    if (gone) set?.delete(instance);
    else if (set) set.add(instance);
    else this.#instances.set(capability, (set = new Set([instance])));
    if (set?.size === 0) this.#instances.delete(capability);
    return { capability, instances: set?.size ?? 0 };
  }

  /** `<tenant>.<capabilityId>` -> number of live instances. */
  count(capability: string): number {
    return this.#instances.get(capability)?.size ?? 0;
  }
}

export const presenceKey = (tenant: string, capabilityId: string): string => `${tenant}.${capabilityId}`;
export const heartbeatKey = (tenant: string, capabilityId: string, instance: string): string =>
  `${tenant}.${capabilityId}.${instance}`;
