import type { Branch, DraftNode, Json, RegistrySnapshot } from '@flex/contracts';
import { validatorFor } from '../facets/validators.js';
import { escapeToken } from '../mapping/json-pointer.js';
import { facetObject } from './facet-schemas.js';
import type { Findings } from './findings.js';

/** Literal inputs of nodes and branches must be what their facets say; others are free data. */
export function checkLiterals(
  nodes: readonly DraftNode[],
  branches: readonly Branch[],
  snapshot: RegistrySnapshot,
  open: (node: DraftNode) => boolean,
  findings: Findings,
): void {
  nodes.forEach((node, number) => {
    if (open(node)) checkInputs(node.inputs, `/nodes/${number}/inputs`, snapshot, findings, node.id, `of ${node.id}`);
  });
  branches.forEach((branch, number) =>
    checkInputs(
      branch.inputs,
      `/policies/planner/branches/${number}/inputs`,
      snapshot,
      findings,
      undefined,
      `of the branch ${branch.id}`,
    ),
  );
}

function checkInputs(
  inputs: Record<string, Json> | undefined,
  pointer: string,
  snapshot: RegistrySnapshot,
  findings: Findings,
  nodeId: string | undefined,
  whose: string,
): void {
  for (const [facet, value] of Object.entries(inputs ?? {})) {
    if (!snapshot.facets.has(facet)) continue;
    const { schema, keys, errors } = facetObject(snapshot, [facet], [], 'bidirectional');
    if (errors.length > 0) continue;
    const key = keys?.[facet] ?? facet;
    for (const issue of validatorFor(schema)({ [key]: value })) {
      const inside = issue.pointer.slice(1 + escapeToken(key).length);
      findings.error('INPUT_INVALID', `The literal input ${facet}${inside} ${whose} ${issue.message}`, {
        nodeId,
        facet,
        pointer: `${pointer}/${escapeToken(facet)}${inside}`,
      });
    }
  }
}
