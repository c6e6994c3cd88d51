import { Capability } from '../capability.js';
import { Facet } from '../facet.js';
import { Open, Type } from '../schema.js';
import { event } from './define.js';

/** Events of stream REGISTRY; subject `<entity>.<event>.<tenant>.<name>`. */
export const registryEvents = {
  'capability.registered': event({
    version: 1,
    by: 'registry',
    meaning: 'A capability is new, changed or active again.',
    data: Open({ capability: Capability }),
  }),
  'capability.lost': event({
    version: 1,
    by: 'registry',
    meaning: 'The heartbeats of a capability stopped.',
    data: Open({ capabilityId: Type.String(), tenant: Type.String(), reason: Type.String() }),
  }),
  'capability.deregistered': event({
    version: 1,
    by: 'registry',
    meaning: 'A capability was taken out of service.',
    data: Open({ capabilityId: Type.String(), tenant: Type.String() }),
  }),
  'facet.published': event({
    version: 1,
    by: 'registry',
    meaning: 'A facet is new or has a new version.',
    data: Open({ facet: Facet }),
  }),
} as const;
