import type { DraftNode, Mapping, OutputContract, RegistrySnapshot } from '@flex/contracts';
import { escapeToken } from '../mapping/json-pointer.js';
import { OUTPUT_FACET } from '../output/plan-output.js';
import { shapeOfFacet } from '../relevance/resolve-contract.js';
import { shapeOf, type Shape } from '../relevance/schema-shape.js';
import type { Findings } from './findings.js';

/**
 * What a mapping makes must be able to have the form that it is for: the contract's, or the facet's. Judged from the
 * mapping alone: what it reads is only known at run time.
 */
export function checkMappingShapes(
  nodes: readonly DraftNode[],
  contract: OutputContract,
  snapshot: RegistrySnapshot,
  open: (node: DraftNode) => boolean,
  findings: Findings,
): void {
  nodes.forEach((node, number) => {
    if (!open(node)) return;
    for (const [facet, mapping] of Object.entries(node.mapping ?? {})) {
      const isAnswer = facet === OUTPUT_FACET && contract.mode === 'json_schema';
      const shape = isAnswer ? shapeOf(contract.schema) : shapeOfFacet(facet, snapshot);
      if (shape === undefined) continue;
      for (const gap of gaps(mapping, shape, '')) {
        findings.error(
          isAnswer ? 'OUTPUT_CONTRACT_UNSATISFIABLE' : 'MAPPING_INVALID',
          `What ${node.id} makes of ${facet} ${gap.message}`,
          { nodeId: node.id, facet, pointer: `/nodes/${number}/mapping/${escapeToken(facet)}${gap.pointer}` },
        );
      }
    }
  });
}

interface Gap {
  pointer: string;
  message: string;
}

function gaps(mapping: Mapping, shape: Shape, pointer: string): Gap[] {
  if ('object' in mapping) return objectGaps(mapping.object, shape, pointer);
  if ('each' in mapping) return wrongType('array', shape, pointer) ?? itemGaps(mapping.as, shape, `${pointer}/as`);
  if ('array' in mapping) {
    const wrong = wrongType('array', shape, pointer);
    if (wrong !== undefined) return wrong;
    const least = shape.minItems ?? 0;
    const few = mapping.array.length < least ? [{ pointer, message: `has fewer than ${least} items` }] : [];
    return [...few, ...mapping.array.flatMap((part, at) => itemGaps(part, shape, `${pointer}/array/${at}`))];
  }
  if ('first' in mapping) {
    // Any of them may be the one; only when none can fit there is something to say.
    const found = mapping.first.map((part, at) => gaps(part, shape, `${pointer}/first/${at}`));
    return found.length > 0 && found.every((each) => each.length > 0) ? found[0]! : [];
  }
  if ('value' in mapping && mapping.value !== null) {
    const type = Array.isArray(mapping.value) ? 'array' : typeof mapping.value;
    return wrongType(type, shape, `${pointer}/value`) ?? [];
  }
  return [];
}

function objectGaps(object: Record<string, Mapping>, shape: Shape, pointer: string): Gap[] {
  const wrong = wrongType('object', shape, pointer);
  if (wrong !== undefined) return wrong;
  const found: Gap[] = [];
  for (const name of shape.required) {
    if (!Object.hasOwn(object, name))
      found.push({ pointer: `${pointer}/object`, message: `lacks the required ${name}` });
  }
  for (const [name, part] of Object.entries(object)) {
    const at = `${pointer}/object/${escapeToken(name)}`;
    const wanted = shape.properties.get(name);
    if (wanted !== undefined) found.push(...gaps(part, wanted, at));
    else if (shape.closed) found.push({ pointer: at, message: `has ${name}, which is not allowed there` });
  }
  return found;
}

const itemGaps = (mapping: Mapping, { items }: Shape, pointer: string): Gap[] =>
  items === undefined ? [] : gaps(mapping, items, pointer);

/** Nothing when the type fits, or when nothing is said about types. */
function wrongType(type: string, { types }: Shape, pointer: string): Gap[] | undefined {
  if (types.size === 0 || types.has(type) || (type === 'number' && types.has('integer'))) return undefined;
  return [{ pointer, message: `is of type ${type} where ${[...types].join(' or ')} is wanted` }];
}
