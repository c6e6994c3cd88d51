import { Condition } from './condition.js';
import { CapabilityId, Closed, Enum, Name, Positive, Tenant, Type, Uint, type Static } from './schema.js';

export const capabilityKinds = ['structuring', 'execution', 'validation', 'transformation', 'routing'] as const;

const Words = Type.Optional(Type.Array(Type.String({ minLength: 1, maxLength: 200 }), { maxItems: 100 }));

export const CapabilityTraits = Closed({
  languages: Words,
  channels: Words,
  contentTypes: Words,
  strengths: Words,
  limitations: Words,
});

export const CapabilityCost = Closed({
  tier: Type.Optional(
    Type.String({ maxLength: 40, description: 'free, low, standard, premium or a word of your own' }),
  ),
  estimatedTokens: Type.Optional(Type.Number({ minimum: 0 })),
  pricePer1kTokens: Type.Optional(Type.Number({ minimum: 0 })),
  currency: Type.Optional(Type.String({ maxLength: 8 })),
  estimatedMs: Type.Optional(Type.Number({ minimum: 0 })),
});

export const onDeclines = ['fail', 'requeue', 'escalate'] as const;

/** How a human capability is assigned. */
export const Assignment = Closed({
  role: Type.Optional(Type.String({ maxLength: 200 })),
  assignee: Type.Optional(Type.String({ maxLength: 200 })),
  slaSeconds: Type.Optional(Type.Number({ exclusiveMinimum: 0 })),
  onDecline: Type.Optional(Enum(onDeclines)),
  priority: Type.Optional(Enum(['low', 'normal', 'high', 'urgent'] as const)),
  notify: Type.Optional(Type.Array(Type.String({ maxLength: 200 }), { maxItems: 20 })),
  escalateTo: Type.Optional(Type.String({ maxLength: 200, description: 'Role that a late or declined task goes to' })),
});
export type Assignment = Static<typeof Assignment>;

/** A condition over one facet: `pointer` selects inside its value, `condition` sees it as `value`. */
export const FacetCondition = Closed({
  facet: Name('Facet whose value is looked at'),
  pointer: Type.Optional(Type.String({ maxLength: 500, pattern: '^(/.*)?$' })),
  condition: Condition,
  description: Type.Optional(Type.String({ maxLength: 1000 })),
});
export type FacetCondition = Static<typeof FacetCondition>;

export const Capability = Closed(
  {
    capabilityId: CapabilityId,
    tenant: Type.Optional(Tenant),
    version: Type.String({ minLength: 1, maxLength: 64 }),
    displayName: Type.String({ minLength: 1, maxLength: 200 }),
    summary: Type.Optional(Type.String({ maxLength: 4000 })),
    kind: Enum(capabilityKinds),
    agentType: Enum(['ai', 'human'] as const, { description: 'ai: a program or model; human: a person' }),
    inputFacets: Type.Array(
      Closed({ facet: Name('Facet consumed'), required: Type.Optional(Type.Boolean({ default: true })) }),
      { maxItems: 200 },
    ),
    outputFacets: Type.Array(Name('Facet produced'), { maxItems: 200 }),
    traits: Type.Optional(CapabilityTraits),
    cost: Type.Optional(CapabilityCost),
    preferredModels: Type.Optional(Type.Array(Type.String({ maxLength: 200 }), { maxItems: 20 })),
    heartbeat: Type.Optional(
      Closed({
        intervalSeconds: Type.Number({ minimum: 0.5, maximum: 3600 }),
        timeoutSeconds: Type.Optional(Type.Number({ minimum: 1, maximum: 86400 })),
      }),
    ),
    instructions: Type.Optional(Type.String({ maxLength: 20000 })),
    assignment: Type.Optional(Assignment),
    preConditions: Type.Optional(Type.Array(FacetCondition, { maxItems: 50 })),
    postConditions: Type.Optional(Type.Array(FacetCondition, { maxItems: 50 })),
    concurrency: Type.Optional(Positive),
    timeoutMs: Type.Optional(Type.Integer({ minimum: 1, maximum: 604_800_000 })),
    retry: Type.Optional(
      Closed({
        maxAttempts: Type.Integer({ minimum: 1, maximum: 100 }),
        backoffMs: Type.Optional(Uint),
        factor: Type.Optional(Type.Number({ minimum: 1, maximum: 10 })),
      }),
    ),
    metadata: Type.Optional(Type.Unsafe<Record<string, unknown>>({ type: 'object' })),
  },
  { $id: 'flex:Capability', description: 'What an agent (AI, human or plain program) can do' },
);
export type Capability = Static<typeof Capability>;
export type CapabilityKind = Capability['kind'];

/** A capability as the live registry holds it. */
export interface RegisteredCapability extends Capability {
  status: 'active' | 'inactive';
  /** Why it is inactive: its heartbeats stopped, or it said goodbye. */
  inactiveReason?: string;
  /** Share of heartbeats and calls that went well lately, 0..1; 1 when nothing is known. */
  health?: number;
  /** What health was computed from. */
  calls?: RecentCalls;
}

/** How the last calls of a capability ended; older ones count less, so these are weights and no whole numbers. */
export interface RecentCalls {
  succeeded: number;
  /** Failed attempts; a loss of all heartbeats counts as some of them. */
  failed: number;
  /** Milliseconds since the epoch: as of when. */
  at: number;
}
