import type {
  NormalizedPolicies,
  PlanCause,
  PlannerDraft,
  RegistrySnapshot,
  Selection,
  TaskEnvelope,
} from '@flex/contracts';

/** What a plan has to answer: the task, its rules, and the world at one revision of the registry. */
export interface PlanningQuestion {
  runId: string;
  tenant: string;
  envelope: TaskEnvelope;
  policies: NormalizedPolicies;
  snapshot: RegistrySnapshot;
  /** Facets that the run has beyond the envelope's inputs: from signals, answers, or finished nodes that are gone. */
  available?: readonly string[];
}

/** What a draft cannot say about itself: how it came about. */
export interface PlanOrigin {
  /** Why each capability was chosen, by node id. */
  selections?: Record<string, Selection>;
  runtime?: PlannerDraft['metadata'];
  attempts: number;
  proven?: boolean;
  cause: PlanCause;
  versionTag?: string;
}
