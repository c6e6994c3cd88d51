import type { Assignment } from './capability.js';
import type { ValidationIssue, PlannerDiagnostic } from './diagnostic.js';
import type { DeltaOperation } from './draft.js';
import type { Action, Branch } from './policy.js';
import type { Json, JsonSchema } from './schema.js';
import { Enum } from './schema.js';

/**
 * What is asked of a person: `review` the plan before it runs, `approval` of what a policy caught, `output` of a node
 * that people execute, `escalation` when Flex cannot go on by itself (no coverage, attempts used up).
 */
export const taskKinds = ['review', 'approval', 'output', 'escalation'] as const;
export type TaskKind = (typeof taskKinds)[number];

export const resolutions = ['approve', 'reject', 'edit', 'answer', 'output', 'decline'] as const;
export type ResolutionKind = (typeof resolutions)[number];
export const Resolution = Enum(resolutions);

/** What happens at a task's deadline when nobody answered. */
export type TaskDefault = 'approve' | 'reject' | 'fail' | 'escalate' | 'none';

/** A question to a person, as `hitl.requested` carries it. */
export interface HumanTask {
  taskId: string;
  kind: TaskKind;
  prompt: string;
  nodeId?: string;
  attempt?: number;
  planVersion?: number;
  policyId?: string;
  /** Sequence of the verdict that asked for it. */
  trigger?: number;
  /** What an approval leads to, and a rejection. */
  approveAction?: Action;
  rejectAction?: Action;
  /** What an `output` answer must look like. */
  contract?: { facets: string[]; schema: JsonSchema };
  /** What the person needs to see: inputs by facet. */
  context?: Record<string, Json>;
  diagnostics?: PlannerDiagnostic[];
  assignment?: Assignment;
  /** Milliseconds since the epoch, server time. */
  dueAt?: number;
  remindAt?: number;
  onTimeout: TaskDefault;
  /** Rises by one with each requeue or escalation. */
  round: number;
}

/** An answer to a task. */
export interface TaskAnswer {
  taskId: string;
  resolution: ResolutionKind;
  /** `output`: value per facet. */
  output?: Record<string, Json>;
  /** `answer`: free text or data, put into the run as clarificationResponse when the node produces it. */
  answer?: Json;
  /** `edit` of a plan under review. */
  operations?: DeltaOperation[];
  /** `edit`: branches to be planned in addition. */
  branches?: Branch[];
  baseVersion?: number;
  comment?: string;
  by?: string;
}

export type { ValidationIssue };
