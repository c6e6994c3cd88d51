import { Condition, type JsonLogic } from './condition.js';
import {
  CapabilityId,
  Closed,
  Enum,
  JsonObject,
  JsonValue,
  NodeId,
  Positive,
  Ref,
  Tagged,
  Type,
  Uint,
  type Json,
  type Static,
} from './schema.js';

export const nodeKinds = [
  'structuring',
  'branch',
  'routing',
  'execution',
  'transformation',
  'validation',
  'fallback',
] as const;
export type NodeKind = (typeof nodeKinds)[number];

const Ids = Type.Optional(Type.Array(CapabilityId, { maxItems: 200, uniqueItems: true }));
const Kinds = Type.Optional(Type.Array(Enum(nodeKinds), { uniqueItems: true }));

export const Topology = Closed({
  variantCount: Type.Optional(Type.Integer({ minimum: 1, maximum: 6 })),
  maxDepth: Type.Optional(Positive),
  requiredKinds: Kinds,
  forbiddenKinds: Kinds,
});

export const SelectionPolicy = Closed({ require: Ids, forbid: Ids, prefer: Ids, avoid: Ids });

export const optimisationObjectives = ['speed', 'quality', 'diversity', 'token_efficiency'] as const;

export const Optimisation = Closed({
  objective: Type.Optional(Enum(optimisationObjectives)),
  maxTokens: Type.Optional(Type.Number({ exclusiveMinimum: 0 })),
  maxCost: Type.Optional(Type.Number({ exclusiveMinimum: 0 })),
});

export const Branch = Closed({
  id: NodeId,
  label: Type.String({ minLength: 1, maxLength: 200 }),
  rationale: Type.Optional(Type.String({ maxLength: 2000 })),
  inputs: Type.Optional(JsonObject),
});
export type Branch = Static<typeof Branch>;

export const PlannerPolicies = Closed({
  topology: Type.Optional(Topology),
  selection: Type.Optional(SelectionPolicy),
  optimisation: Type.Optional(Optimisation),
  branches: Type.Optional(Type.Array(Branch, { maxItems: 24 })),
  directives: Type.Optional(
    Type.Union([Type.String({ maxLength: 8000 }), Type.Array(Type.String({ maxLength: 2000 }), { maxItems: 50 })]),
  ),
});
export type PlannerPolicies = Static<typeof PlannerPolicies>;

export const triggerKinds = [
  'onStart',
  'onNodeComplete',
  'onValidationFail',
  'onTimeout',
  'onMetricBelow',
  'onCapabilityLost',
  'manual',
] as const;
export type TriggerKind = (typeof triggerKinds)[number];

export const Selector = Closed({
  nodeId: Type.Optional(NodeId),
  kind: Type.Optional(Enum([...nodeKinds])),
  capabilityId: Type.Optional(CapabilityId),
});
export type Selector = Static<typeof Selector>;

const triggerParts = { selector: Type.Optional(Selector), condition: Type.Optional(Condition) };
const trigger = <K extends TriggerKind>(kind: K) => Closed({ kind: Type.Literal(kind), ...triggerParts });

/** What fires a runtime policy. */
export const Trigger = Tagged('kind', [
  trigger('onStart'),
  trigger('onNodeComplete'),
  trigger('onValidationFail'),
  Closed({ kind: Type.Literal('onTimeout'), ...triggerParts, ms: Positive }),
  Closed({
    kind: Type.Literal('onMetricBelow'),
    ...triggerParts,
    metric: Type.String({
      minLength: 1,
      maxLength: 200,
      description: 'Name of a signalled metric, or a path such as facets.qaFindings.scores.overall',
    }),
    threshold: Type.Number(),
  }),
  trigger('onCapabilityLost'),
  trigger('manual'),
]);
export type Trigger = Static<typeof Trigger>;

/** What a runtime policy does when it fires. `hitl` nests the actions taken on the person's answer. */
export type Action =
  | { type: 'replan'; rationale?: string }
  | { type: 'hitl'; rationale?: string; approveAction?: Action; rejectAction?: Action }
  | { type: 'pause'; reason?: string }
  | { type: 'fail'; message?: string }
  | { type: 'emit'; event: string; payload?: Json }
  | { type: 'goto'; next: string; maxAttempts?: number };
export const actionTypes = ['replan', 'hitl', 'pause', 'fail', 'emit', 'goto'] as const;

const Text = Type.Optional(Type.String({ maxLength: 2000 }));
export const Action = Type.Unsafe<Action>({
  ...Tagged('type', [
    Closed({ type: Type.Literal('replan'), rationale: Text }),
    Closed({
      type: Type.Literal('hitl'),
      rationale: Text,
      approveAction: Type.Optional(Ref<Action>('Action')),
      rejectAction: Type.Optional(Ref<Action>('Action')),
    }),
    Closed({ type: Type.Literal('pause'), reason: Text }),
    Closed({ type: Type.Literal('fail'), message: Text }),
    Closed({
      type: Type.Literal('emit'),
      event: Type.String({ minLength: 1, maxLength: 100 }),
      payload: Type.Optional(JsonValue),
    }),
    Closed({ type: Type.Literal('goto'), next: NodeId, maxAttempts: Type.Optional(Positive) }),
  ]),
  $id: 'flex:Action',
});
const ActionRef = Ref<Action>('Action');

export const RuntimePolicy = Closed({
  id: Type.String({ minLength: 1, maxLength: 128 }),
  label: Type.Optional(Type.String({ maxLength: 200 })),
  enabled: Type.Optional(Type.Boolean({ default: true })),
  /** A trigger without parts may be given as its bare name; the policy service writes it out. */
  trigger: Type.Unsafe<Trigger>({ if: { type: 'string' }, then: Enum(triggerKinds), else: Trigger }),
  action: ActionRef,
  /** How often it may act in one run; after that it is recorded, but acts no more. */
  maxTriggers: Type.Optional(Type.Integer({ minimum: 1, maximum: 100 })),
});
export type RuntimePolicy = Static<typeof RuntimePolicy>;

/** Hard limits of a run; dispatch stops before one is crossed. */
export const BudgetPolicy = Closed({
  maxTokens: Type.Optional(Type.Number({ exclusiveMinimum: 0 })),
  maxCost: Type.Optional(Type.Number({ exclusiveMinimum: 0 })),
  maxWallMs: Type.Optional(Positive),
  maxReplans: Type.Optional(Uint),
  maxNodes: Type.Optional(Positive),
  action: Type.Optional(ActionRef),
});
export type BudgetPolicy = Static<typeof BudgetPolicy>;

/** Policies as a client writes them. */
export const Policies = Closed({
  planner: Type.Optional(PlannerPolicies),
  runtime: Type.Optional(Type.Array(RuntimePolicy, { maxItems: 100 })),
  budget: Type.Optional(BudgetPolicy),
});
export type Policies = Static<typeof Policies>;

/** A runtime policy with its condition compiled and its defaults filled in. */
export interface NormalizedRuntimePolicy {
  id: string;
  enabled: boolean;
  trigger: {
    kind: TriggerKind;
    selector?: Selector;
    condition?: JsonLogic;
    ms?: number;
    metric?: string;
    threshold?: number;
  };
  action: Action;
  maxTriggers: number;
  /** Facets that the condition or metric reads: only these travel to the policy service. */
  reads: string[];
}

/** Policies after the policy service: compiled, defaulted, enforceable. */
export interface NormalizedPolicies {
  planner: {
    topology: Static<typeof Topology>;
    selection: Required<Static<typeof SelectionPolicy>>;
    optimisation: Static<typeof Optimisation>;
    branches: Branch[];
    directives: string[];
  };
  runtime: NormalizedRuntimePolicy[];
  budget: Omit<BudgetPolicy, 'action'> & { action: Action };
}

/** Replans allowed in a run that sets no limit of its own. */
export const DEFAULT_MAX_REPLANS = 5;
/** How often a policy may act in one run that sets no limit of its own. */
export const DEFAULT_MAX_TRIGGERS = 3;

/** What an envelope without policies gets; also what the normaliser starts from. */
export const noPolicies = (): NormalizedPolicies => ({
  planner: {
    topology: {},
    selection: { require: [], forbid: [], prefer: [], avoid: [] },
    optimisation: {},
    branches: [],
    directives: [],
  },
  runtime: [],
  budget: { maxReplans: DEFAULT_MAX_REPLANS, action: { type: 'fail', message: 'A budget of the run is used up' } },
});
