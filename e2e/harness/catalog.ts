import type { Capability, Facet, Json } from '@flex/contracts';
import type { FlexHttp } from './flex-http.js';
import { unique } from './target.js';

/** A facet of a test's own. */
export const facetOf = (
  name: string,
  schema: Facet['schema'],
  direction: Facet['direction'] = 'bidirectional',
): Facet => ({
  name,
  title: name,
  schema,
  direction,
});

/** A capability of a test's own, played by an OutsideAgent. */
export const capabilityOf = (
  capabilityId: string,
  kind: Capability['kind'],
  inputs: string[],
  outputs: string[],
  rest: Partial<Capability> = {},
): Capability => ({
  capabilityId,
  version: '1.0.0',
  displayName: capabilityId,
  kind,
  agentType: 'ai',
  inputFacets: inputs.map((facet) => ({ facet, required: true })),
  outputFacets: outputs,
  // Longer than any restart that a test makes, on a busy machine as well.
  heartbeat: { intervalSeconds: 1, timeoutSeconds: 300 },
  ...rest,
});

/** Names for facets and capabilities that only this test knows, so that any stack can be used by many at once. */
export function names(...stems: string[]): Record<string, string> {
  const mark = unique('');
  return Object.fromEntries(stems.map((stem) => [stem, `${stem}_${mark}`]));
}

export const publish = (http: FlexHttp, facets: Facet[]): Promise<Json> =>
  http.ok('POST', '/api/v1/flex/registry', { facets });
