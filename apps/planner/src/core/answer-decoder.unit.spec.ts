import { decodeDelta, decodeDraft } from './answer-decoder.js';
import { draftAnswerSchema, deltaAnswerSchema } from './answer-schema.js';

const strictNode = {
  id: 'write',
  kind: 'execution',
  capabilityId: 'writer.linkedin',
  derivedFrom: null,
  label: 'Write',
  inputFacets: ['writerBrief'],
  outputFacets: ['copyVariants'],
  instruction: null,
  rationale: ['fits'],
  branchId: null,
  fallback: [],
  mapping: null,
  routes: null,
};
const answer = (nodes: unknown, edges: unknown = []): string => JSON.stringify({ nodes, edges });

describe('decoding a draft', () => {
  it('takes over a strict answer, without its nulls', () => {
    const decoded = decodeDraft(answer([strictNode], [{ from: 'a', to: 'write', facets: [], condition: null }]), []);
    expect(decoded).toEqual({
      ok: true,
      value: {
        nodes: [
          {
            id: 'write',
            kind: 'execution',
            capabilityId: 'writer.linkedin',
            label: 'Write',
            inputFacets: ['writerBrief'],
            outputFacets: ['copyVariants'],
            rationale: ['fits'],
            fallback: [],
          },
        ],
        edges: [{ from: 'a', to: 'write', facets: [] }],
      },
    });
  });

  it('reads mappings from JSON text, routes, and Markdown around the answer', () => {
    const node = {
      ...strictNode,
      kind: 'transformation',
      capabilityId: null,
      mapping: [{ facet: 'variants', json: '{"from":"/copyVariants"}' }],
      routes: [{ to: 'x', condition: null }],
    };
    const decoded = decodeDraft(`\`\`\`json\n${answer([node])}\n\`\`\``, []);
    expect(decoded).toMatchObject({
      ok: true,
      value: { nodes: [{ mapping: { variants: { from: '/copyVariants' } }, routes: [{ to: 'x' }] }] },
    });
  });

  it('never takes schemas, scores, hooks, timeouts, retries or literal inputs from a model', () => {
    const greedy = {
      ...strictNode,
      outputSchema: true,
      selection: { score: 1 },
      policyHooks: [],
      timeoutMs: 604_800_000,
      retry: { maxAttempts: 100 },
      inputs: { qaFindings: { overallStatus: 'pass' } },
      provenance: [],
      metadata: { admin: true },
    };
    const decoded = decodeDraft(
      JSON.stringify({ nodes: [greedy], edges: [], metadata: { runtime: 'deterministic' } }),
      [],
    );
    expect(decoded).toEqual(decodeDraft(answer([strictNode]), []));
  });

  it("gives a branch's nodes the inputs that the policy states, not the model's", () => {
    const node = { ...strictNode, branchId: 'b1', inputs: { angle: 'mine' } };
    const decoded = decodeDraft(answer([node]), [{ id: 'b1', label: 'One', inputs: { angle: 'product' } }]);
    expect(decoded).toMatchObject({ ok: true, value: { nodes: [{ branchId: 'b1', inputs: { angle: 'product' } }] } });
  });

  it.each([
    ['no JSON', 'Sure! Here is the plan', '', 'not JSON'],
    ['a cut answer', '{"nodes":[{"id":"wri', '', 'not JSON'],
    ['a list', '[]', '', 'not a JSON object'],
    ['another object', '{"plan":[]}', '/nodes', 'required'],
    ['a node without id', answer([{ ...strictNode, id: null }]), '/nodes/0/id', 'required'],
    ['an unknown kind', answer([{ ...strictNode, kind: 'magic' }]), '/nodes/0/kind', 'must be one of'],
    ['nodes that are text', answer('write it'), '/nodes/0/id', 'required'],
    [
      'a mapping that is no JSON text',
      answer([{ ...strictNode, mapping: [{ facet: 'f', json: '{' }] }]),
      '',
      'mapping of facet f',
    ],
    ['an id with spaces', answer([{ ...strictNode, id: 'a b' }]), '/nodes/0/id', 'pattern'],
  ])('finds %s, with a pointer', (_name, text, pointer, message) => {
    const decoded = decodeDraft(text, []);
    if (decoded.ok) throw new Error('was accepted');
    expect(decoded.diagnostics).toContainEqual(
      expect.objectContaining({
        code: 'DRAFT_MALFORMED',
        severity: 'error',
        pointer,
        message: expect.stringContaining(message),
      }),
    );
    expect(decoded.diagnostics.length).toBeLessThanOrEqual(20);
  });
});

describe('decoding a delta', () => {
  it('keeps the base version that was asked about', () => {
    const operations = [
      { op: 'addNode', node: strictNode },
      { op: 'removeNode', nodeId: 'old' },
      { op: 'addEdge', edge: { from: 'a', to: 'write', facets: ['writerBrief'], condition: 'facets.a > 1' } },
      { op: 'removeEdge', from: 'a', to: 'b' },
      { op: 'cancelNode', nodeId: 'slow' },
    ];
    const decoded = decodeDelta(JSON.stringify({ baseVersion: 99, operations, rationale: ['why'] }), 2, []);
    expect(decoded).toMatchObject({ ok: true, value: { baseVersion: 2, rationale: ['why'] } });
    expect(decoded.ok && decoded.value.operations.map(({ op }) => op)).toEqual(operations.map(({ op }) => op));
  });

  it.each([{ operations: [{ op: 'dropTable' }] }, { operations: [{ op: 'addNode' }] }, {}])('refuses %j', (value) => {
    expect(decodeDelta(JSON.stringify(value), 2, []).ok).toBe(false);
  });
});

describe('the answer schemas', () => {
  it.each([draftAnswerSchema, deltaAnswerSchema])('are strict: closed objects, every member required', (schema) => {
    const walk = (value: unknown): void => {
      if (value === null || typeof value !== 'object') return;
      const record = value as Record<string, unknown>;
      if (record['type'] === 'object') {
        expect(record['additionalProperties']).toBe(false);
        expect(record['required']).toEqual(Object.keys(record['properties'] as object));
      }
      Object.values(record).forEach(walk);
    };
    walk(schema);
  });
});
