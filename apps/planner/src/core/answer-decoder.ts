import {
  issuesOf,
  PlanDelta,
  PlannerDraft,
  type Branch,
  type DeltaOperation,
  type DraftEdge,
  type DraftNode,
  type Json,
  type Mapping,
  type PlannerDiagnostic,
  type TSchema,
} from '@flex/contracts';

export type Decoded<T> = { ok: true; value: T } | { ok: false; diagnostics: PlannerDiagnostic[] };
type JsonRecord = Record<string, Json | undefined>;

/** How many findings about one answer go back to the model: the first say enough, and the log keeps them all. */
const MAX_FINDINGS = 20;

/**
 * A model's answer as a draft. Only the members of the answer schema are taken over, by name: whatever else an answer holds
 * (schemas, scores, timeouts, literal inputs) is not looked at. The inputs of a branch come from the policies.
 */
export function decodeDraft(answer: string, branches: readonly Branch[]): Decoded<PlannerDraft> {
  return decode(answer, PlannerDraft, (record) => ({
    nodes: required(record.nodes, (node) => draftNode(node, branches)),
    edges: listOf(record.edges).map(draftEdge),
  }));
}

/** A model's answer as a delta; its base version is the one that was asked about, not one that a model names. */
export function decodeDelta(answer: string, baseVersion: number, branches: readonly Branch[]): Decoded<PlanDelta> {
  return decode(answer, PlanDelta, (record) => ({
    baseVersion,
    operations: required(record.operations, (operation) => deltaOperation(operation, branches)),
    rationale: strings(record.rationale),
  }));
}

function decode<T>(answer: string, schema: TSchema, shape: (record: JsonRecord) => T): Decoded<T> {
  let parsed: Json;
  try {
    parsed = JSON.parse(withoutFence(answer)) as Json;
  } catch (error) {
    return malformed([{ pointer: '', message: `the answer is not JSON: ${(error as Error).message}` }]);
  }
  if (parsed === null || typeof parsed !== 'object' || Array.isArray(parsed)) {
    return malformed([{ pointer: '', message: 'the answer is not a JSON object' }]);
  }
  let value: T;
  try {
    value = shape(parsed);
  } catch (error) {
    if (!(error instanceof MalformedPart)) throw error;
    return malformed([{ pointer: '', message: error.message }]);
  }
  const issues = issuesOf(schema, value);
  return issues.length === 0 ? { ok: true, value } : malformed(issues);
}

/** Endpoints without structured output like to wrap JSON into a Markdown block. */
const withoutFence = (answer: string): string =>
  /^\s*```(?:json)?\s*\n([\s\S]*?)\n\s*```\s*$/.exec(answer)?.[1] ?? answer;

const malformed = (
  issues: { pointer: string; message: string }[],
): { ok: false; diagnostics: PlannerDiagnostic[] } => ({
  ok: false,
  diagnostics: issues.slice(0, MAX_FINDINGS).map(({ pointer, message }) => ({
    code: 'DRAFT_MALFORMED',
    severity: 'error',
    message: pointer === '' ? message : `${pointer}: ${message}`,
    pointer,
    suggestion: 'Answer with one JSON object that follows the output schema.',
  })),
});

/** A part whose fault no schema of ours can name: JSON text inside the answer that is no JSON. */
class MalformedPart extends Error {}

function draftNode(value: Json, branches: readonly Branch[]): DraftNode {
  const node = recordOf(value);
  const branch = branches.find(({ id }) => id === node.branchId);
  return present({
    id: node.id,
    kind: node.kind,
    capabilityId: node.capabilityId,
    derivedFrom: node.derivedFrom,
    label: node.label,
    inputFacets: node.inputFacets,
    outputFacets: node.outputFacets,
    instruction: node.instruction,
    rationale: strings(node.rationale),
    branchId: node.branchId,
    inputs: branch?.inputs,
    fallback: strings(node.fallback),
    mapping: mappings(node.mapping, String(node.id)),
    routes:
      node.routes == null ? undefined : listOf(node.routes).map((route) => present(pick(route, ['to', 'condition']))),
  }) as unknown as DraftNode;
}

const draftEdge = (value: Json): DraftEdge => {
  const edge = recordOf(value);
  const facets = strings(edge.facets);
  return present({ ...pick(value, ['from', 'to', 'condition']), facets }) as unknown as DraftEdge;
};

function deltaOperation(value: Json, branches: readonly Branch[]): DeltaOperation {
  const operation = recordOf(value);
  const { op } = operation;
  const known = {
    op,
    ...(op === 'addNode' || op === 'replaceNode' ? { node: draftNode(operation.node ?? null, branches) } : {}),
    ...(op === 'removeNode' || op === 'cancelNode' ? { nodeId: operation.nodeId } : {}),
    ...(op === 'addEdge' ? { edge: draftEdge(operation.edge ?? null) } : {}),
    ...(op === 'removeEdge' ? { from: operation.from, to: operation.to } : {}),
  };
  return known as unknown as DeltaOperation;
}

/** `[{facet, json}]` as a mapping per facet; a plain object, as looser endpoints write it, is taken as it is. */
function mappings(value: Json | undefined, nodeId: string): Record<string, Mapping> | undefined {
  if (value == null) return undefined;
  if (!Array.isArray(value))
    return Object.keys(recordOf(value)).length > 0 ? (value as Record<string, Mapping>) : undefined;
  if (value.length === 0) return undefined;
  return Object.fromEntries(
    value.map((item): [string, Mapping] => {
      const { facet, json } = recordOf(item);
      if (typeof json !== 'string') return [String(facet), json as unknown as Mapping];
      try {
        return [String(facet), JSON.parse(json) as Mapping];
      } catch {
        throw new MalformedPart(`the mapping of facet ${String(facet)} in node ${nodeId} is not JSON text`);
      }
    }),
  );
}

const recordOf = (value: Json | undefined): JsonRecord =>
  value !== null && typeof value === 'object' && !Array.isArray(value) ? value : {};
/** A list that has to be there: left out when it is not, for the schema to find. */
const required = <T>(value: Json | undefined, part: (item: Json) => T): T[] =>
  value == null ? (undefined as unknown as T[]) : listOf(value).map(part);
/** Something else than a list is left as it is, for the schema to find. */
const listOf = (value: Json | undefined): Json[] => (Array.isArray(value) ? value : value == null ? [] : [value]);
const strings = (value: Json | undefined): string[] | undefined => {
  if (value == null) return undefined;
  return (typeof value === 'string' ? [value] : value) as string[];
};
const pick = (value: Json, names: string[]): JsonRecord => {
  const record = recordOf(value);
  return Object.fromEntries(names.map((name) => [name, record[name]]));
};
/** Without members that are null or absent: strict structured output writes null where we leave out. */
const present = (record: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(record).filter(([, value]) => value !== null && value !== undefined));
