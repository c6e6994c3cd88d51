import type { Capability, Facet, RegisteredCapability } from '@flex/contracts';
import { capabilityFaults } from './capability-rules.js';
import { withIncoming } from './catalogue-view.js';
import { contractFaults, facetFaults } from './facet-rules.js';
import { patternFault } from '@flex/planning';
import { judgePresence, Presence } from './presence.js';
import { nextCapability, nextFacet, staleVersion } from './upsert.js';

const facet = (name: string, more: Partial<Facet> = {}): Facet => ({
  name,
  schema: { type: 'string' },
  direction: 'bidirectional',
  ...more,
});
const capability = (more: Partial<Capability> = {}): Capability => ({
  capabilityId: 'agent.skill',
  version: '1',
  displayName: 'Skill',
  kind: 'execution',
  agentType: 'ai',
  inputFacets: [{ facet: 'brief' }],
  outputFacets: ['copy'],
  ...more,
});
const catalogue = new Map([
  ['brief', facet('brief')],
  ['copy', facet('copy')],
  ['rationale', facet('rationale', { direction: 'output' })],
  ['audience', facet('audience', { direction: 'input' })],
]);
const pointers = (faults: { pointer: string }[]): string[] => faults.map(({ pointer }) => pointer);

describe('a facet', () => {
  it('is fine, or its fault is pointed at', () => {
    expect(facetFaults(facet('tone'), catalogue)).toEqual([]);
    expect(pointers(facetFaults({ ...facet('tone'), colour: 1 }, catalogue))).toEqual(['/colour']);
    expect(pointers(facetFaults(facet('x', { direction: 'sideways' as never }), catalogue))).toEqual(['/direction']);
    expect(pointers(facetFaults(facet('x', { extends: 'nothing' }), catalogue))).toEqual(['/extends']);
    expect(pointers(facetFaults(facet('x', { extends: 'audience', direction: 'output' }), catalogue))).toEqual([
      '/direction',
    ]);
    expect(
      pointers(facetFaults(facet('x', { schema: { properties: { a: { pattern: '(a+)+$' } } } }), catalogue)),
    ).toEqual(['/schema/properties/a/pattern']);
  });

  it('may not extend itself, by any way round', () => {
    expect(facetFaults(facet('x', { extends: 'x' }), catalogue)[0]?.message).toContain('x -> x');
    const incoming = [facet('a', { extends: 'b' }), facet('b', { extends: 'c' }), facet('c', { extends: 'a' })];
    const view = withIncoming(catalogue, incoming);
    for (const one of incoming) expect(pointers(facetFaults(one, view))).toEqual(['/extends']);
  });

  it('may narrow what it specialises, and not contradict it', () => {
    const child = (schema: Facet['schema']) => contractFaults(facet('short', { extends: 'brief', schema }), catalogue);
    expect(child({ type: 'string', maxLength: 5 })).toEqual([]);
    expect(child({ type: 'integer' })).toMatchObject([{ keyword: 'FACET_CONTRACT_TYPE_MISMATCH', facet: 'short' }]);
  });

  it('has versions that rise when, and only when, something changed', () => {
    const first = nextFacet(undefined, facet('tone'))!;
    expect(first).toMatchObject({ version: 1, tenant: 'default' });
    expect(nextFacet(first, facet('tone'))).toBeUndefined();
    expect(nextFacet(first, { ...first })).toBeUndefined();
    expect(nextFacet(first, facet('tone', { title: 'Tone' }))?.version).toBe(2);
    expect(nextFacet(first, facet('tone', { version: 7 }))?.version).toBe(7);
    const second = facet('tone', { title: 'Tone', version: 2 });
    expect(staleVersion(second, facet('tone', { version: 1 }))).toMatchObject([{ pointer: '/version' }]);
    expect(staleVersion(second, facet('tone', { title: 'Tone', version: 1 }))).toEqual([]);
    expect(staleVersion(second, facet('tone', { title: 'Other' }))).toEqual([]);
  });
});

describe('a pattern', () => {
  it.each([
    '^[a-z]+$',
    '^\\d{4}-\\d{2}$',
    '^(foo|bar)$',
    '^https?://\\S+$',
    '^\\p{L}+( \\p{L}+)?$',
    '[(+*]+',
    '^a{3}$',
  ])('that is linear passes: %s', (pattern) => expect(patternFault(pattern)).toBeUndefined());
  it.each(['(a+)+$', '^(a|aa)*$', '(.*a){2,}', '^((ab)*c*)*$', '(a)\\1', '(', '([a-z]+)*', '(?:a+){5000}'])(
    'that may explode is refused: %s',
    (pattern) => expect(patternFault(pattern)).toBeDefined(),
  );
});

describe('a capability', () => {
  it('is fine, or its fault is pointed at', () => {
    expect(capabilityFaults(capability(), catalogue)).toEqual([]);
    expect(
      capabilityFaults(capability({ inputFacets: [{ facet: 'copy' }], outputFacets: ['brief'] }), catalogue),
    ).toEqual([]);
    expect(
      pointers(capabilityFaults(capability({ inputFacets: [{ facet: 'brief' }, { facet: 'nope' }] }), catalogue)),
    ).toEqual(['/inputFacets/1/facet']);
    expect(pointers(capabilityFaults(capability({ outputFacets: ['copy', 'nope'] }), catalogue))).toEqual([
      '/outputFacets/1',
    ]);
    expect(pointers(capabilityFaults(capability({ inputFacets: [{ facet: 'rationale' }] }), catalogue))).toEqual([
      '/inputFacets/0/facet',
    ]);
    expect(pointers(capabilityFaults(capability({ outputFacets: ['audience'] }), catalogue))).toEqual([
      '/outputFacets/0',
    ]);
    expect(pointers(capabilityFaults(capability({ outputFacets: ['brief'] }), catalogue))).toEqual(['/outputFacets/0']);
    expect(
      pointers(capabilityFaults(capability({ inputFacets: [{ facet: 'brief' }, { facet: 'brief' }] }), catalogue)),
    ).toEqual(['/inputFacets/1/facet']);
    expect(pointers(capabilityFaults({ ...capability(), kind: 'magic', capabilityId: 'a b' }, catalogue))).toEqual([
      '/capabilityId',
      '/kind',
    ]);
    expect(
      pointers(
        capabilityFaults(capability({ preConditions: [{ facet: 'nope', condition: 'value ===== 1' }] }), catalogue),
      ),
    ).toEqual(['/preConditions/0/facet', '/preConditions/0/condition']);
  });

  it('may improve what it is optionally given', () => {
    const refining = capability({ inputFacets: [{ facet: 'copy', required: false }] });
    expect(capabilityFaults(refining, catalogue)).toEqual([]);
  });

  it('is written only when something changed, and comes back when it was inactive', () => {
    const stored = nextCapability(undefined, capability())!;
    expect(stored.status).toBe('active');
    expect(nextCapability(stored, capability())).toBeUndefined();
    expect(nextCapability({ ...stored, status: 'inactive', inactiveReason: 'x' }, capability())).toEqual(stored);
  });

  it('keeps its health over a registration, unless that brings a new version', () => {
    const health = { health: 0.5, calls: { succeeded: 1, failed: 4, at: 1 } };
    const ill = { ...nextCapability(undefined, capability())!, ...health };
    expect(nextCapability(ill, capability({ summary: 'other words' }))).toMatchObject(health);
    expect(nextCapability(ill, capability({ version: '2' }))).not.toHaveProperty('health');
  });
});

describe('presence', () => {
  const live: RegisteredCapability = { ...capability({ heartbeat: { intervalSeconds: 2 } }), status: 'active' };

  it('retires without heartbeats, revives with one, and repeats nothing', () => {
    const verdict = judgePresence(live, 0, 'lost', 1000);
    expect(verdict).toMatchObject({ change: 'retire', reason: 'no heartbeat for 6 s', next: { status: 'inactive' } });
    const gone = (verdict as { next: RegisteredCapability }).next;
    expect(judgePresence(gone, 0, 'lost', 1000)).toEqual({ change: 'none' });
    const calls = { succeeded: 0, failed: 3, at: 1000 };
    expect(judgePresence(gone, 1, 'lost', 1000)).toEqual({ change: 'revive', next: { ...live, health: 0.5, calls } });
    expect(judgePresence(live, 1, 'lost', 1000)).toEqual({ change: 'none' });
    expect(judgePresence({ ...live, heartbeat: undefined }, 0, 'lost', 1000)).toEqual({ change: 'none' });
  });

  it('costs no health when the last instance said goodbye', () => {
    const verdict = judgePresence(live, 0, 'goodbye', 1000);
    expect((verdict as { next: RegisteredCapability }).next).not.toHaveProperty('health');
  });

  it('counts instances by capability', () => {
    const presence = new Presence();
    expect(presence.apply('default.a.b.one', false)).toEqual({ capability: 'default.a.b', instances: 1 });
    presence.apply('default.a.b.one', false);
    expect(presence.apply('default.a.b.two', false)?.instances).toBe(2);
    presence.apply('default.a.b.one', true);
    expect(presence.apply('default.a.b.two', true)).toEqual({ capability: 'default.a.b', instances: 0 });
    expect(presence.apply('default.a.b.two', true)?.instances).toBe(0);
  });
});
