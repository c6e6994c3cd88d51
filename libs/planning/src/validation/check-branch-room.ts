import type { DraftNode, FacetSource, Mapping, OutputContract } from '@flex/contracts';
import { pointerTokens } from '../mapping/json-pointer.js';
import { OUTPUT_FACET } from '../output/plan-output.js';
import { shapeOfFacet } from '../relevance/resolve-contract.js';
import { shapeOf, type Shape } from '../relevance/schema-shape.js';
import type { Findings } from './findings.js';
import type { PlanningQuestion } from './planning-question.js';

/**
 * Where branches are joined, what all of them write has to fit: whoever asks for branches (policies, an upstream output, an
 * operator) would otherwise learn only from the finished answer that the list is too long.
 */
export function checkBranchRoom(
  nodes: readonly DraftNode[],
  sources: readonly (readonly FacetSource[])[],
  { envelope, policies, snapshot }: Pick<PlanningQuestion, 'envelope' | 'policies' | 'snapshot'>,
  open: (node: DraftNode) => boolean,
  findings: Findings,
): void {
  const branchOf = new Map(nodes.map((node) => [node.id, node.branchId]));
  const { variantCount } = policies.planner.topology;
  nodes.forEach((node, number) => {
    if (!open(node)) return;
    const lists = Object.entries(node.mapping ?? {}).flatMap(([written, mapping]) => {
      const shape = shapeWritten(written, envelope.outputContract, (facet) => shapeOfFacet(facet, snapshot));
      return shape === undefined ? [] : listsOf(mapping, shape, '');
    });
    const ofObjects = lists.filter(({ shape }) => shape.items?.types.has('object') === true);
    for (const list of lists) {
      const most = list.shape.maxItems;
      if (most === undefined) continue;
      const from = sources[number]!.filter(({ facet }) => facet === list.facet).map(({ nodeId }) => nodeId);
      const branches = new Set(from.flatMap((id) => (id === undefined ? [] : (branchOf.get(id) ?? [])))).size;
      // With several lists nobody can say which one holds the variants; a branch that writes nothing would be for nothing.
      const counted = variantCount !== undefined && ofObjects.length === 1 && ofObjects[0] === list;
      const each = counted ? variantCount : 1;
      if (branches < 2 || branches * each <= most) continue;
      const fits = Math.trunc(most / each);
      findings.error(
        'POLICY_CONFLICT',
        `${branches} branches${counted ? ` of ${each} variants` : ''} don't fit ${list.name === '' ? 'the answer' : list.name}, which holds at most ${most} items`,
        {
          nodeId: node.id,
          facet: list.facet,
          pointer: counted ? '/policies/planner/topology/variantCount' : '/policies/planner/branches',
          suggestion: `${fits > 1 ? `Ask for no more than ${fits} branches` : 'Leave the branches out'}${counted ? ', set variantCount lower' : ''}, or allow more items`,
        },
      );
    }
  });
}

function shapeWritten(
  written: string,
  contract: OutputContract,
  ofFacet: (facet: string) => Shape | undefined,
): Shape | undefined {
  return written === OUTPUT_FACET && contract.mode === 'json_schema' ? shapeOf(contract.schema) : ofFacet(written);
}

interface MadeList {
  readonly name: string;
  readonly facet: string;
  readonly shape: Shape;
}

/** The lists that a mapping makes item by item of a facet. */
function listsOf(mapping: Mapping, shape: Shape, name: string): MadeList[] {
  if ('object' in mapping)
    return Object.entries(mapping.object).flatMap(([member, part]) => {
      const wanted = shape.properties.get(member);
      return wanted === undefined ? [] : listsOf(part, wanted, member);
    });
  if ('first' in mapping) return mapping.first.slice(0, 1).flatMap((part) => listsOf(part, shape, name));
  const read = 'each' in mapping ? mapping.each : mapping;
  if (!('from' in read) || !shape.types.has('array')) return [];
  const tokens = pointerTokens(read.from);
  return tokens.length === 1 ? [{ name, facet: tokens[0]!, shape }] : [];
}
