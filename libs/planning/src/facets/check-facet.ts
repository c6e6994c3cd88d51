import type { Facet, PlannerDiagnostic } from '@flex/contracts';
import { compileFacets } from './compile-facets.js';
import { embedSchema } from './embed-schema.js';
import { extendsChain, propertyKeyOf, type FacetCatalog } from './extends-chain.js';
import { pointerStep } from './json-pointer.js';
import { schemaFaults } from './validators.js';

/**
 * What is wrong with a facet before it enters a catalog: a schema that doesn't compile, an `extends` that doesn't exist or leads
 * back to the facet, a contradiction with what it extends. Pointers lead into the definition.
 */
export function checkFacetDefinition(facet: Facet, catalog: FacetCatalog): PlannerDiagnostic[] {
  const error = (
    code: PlannerDiagnostic['code'],
    pointer: string,
    message: string,
    suggestion?: string,
  ): PlannerDiagnostic => ({
    code,
    severity: 'error',
    facet: facet.name,
    pointer,
    message,
    ...(suggestion ? { suggestion } : {}),
  });

  const faults = schemaFaults(facet.schema);
  if (faults.length > 0)
    return faults.map((fault) =>
      error('FACET_SCHEMA_INVALID', `/schema${fault.pointer}`, `the schema is not valid: ${fault.message}`),
    );

  const withFacet: FacetCatalog = new Map(catalog).set(facet.name, facet);
  const { unknown, cycleAt } = extendsChain(facet, withFacet);
  if (cycleAt !== undefined)
    return [
      error(
        'FACET_EXTENDS_CYCLE',
        '/extends',
        `extends leads back to ${cycleAt}`,
        'Let the most general facet extend nothing',
      ),
    ];
  if (unknown !== undefined)
    return [
      error(
        'UNKNOWN_FACET',
        '/extends',
        `${unknown}, which it extends, is not registered`,
        `Publish the facet ${unknown} first`,
      ),
    ];

  const problems = embedSchema(facet.schema, '').problems;
  if (problems.length > 0)
    return problems.map((problem) => error('FACET_SCHEMA_INVALID', `/schema${problem.pointer}`, problem.message));

  const compiled = compileFacets(withFacet, [{ facet: facet.name }], 'bidirectional');
  const property = `/properties${pointerStep(propertyKeyOf(facet))}`;
  const own = Object.entries(compiled.provenance).find(
    ([pointer, origin]) =>
      origin.facet === facet.name && (pointer !== property || Object.keys(compiled.provenance).length === 1),
  );
  return compiled.errors.map((conflict) => {
    const inOwn = own !== undefined && conflict.pointer.startsWith(own[0]);
    const other = conflict.otherFacet ?? (conflict.facet === facet.name ? undefined : conflict.facet);
    return error(
      `FACET_CONTRACT_${conflict.code}`,
      inOwn ? `/schema${conflict.pointer.slice(own[0].length)}` : '/schema',
      other === undefined ? conflict.message : `${conflict.message} (with ${other})`,
    );
  });
}
