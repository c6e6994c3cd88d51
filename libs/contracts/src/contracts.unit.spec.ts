import { Ajv2020 } from 'ajv/dist/2020.js';
import {
  catalogue,
  eventTypes,
  issuesOf,
  namedSchemas,
  partitionOf,
  routes,
  type ApiRoute,
  parseFrameId,
  formatFrameId,
  subjectOf,
  TaskEnvelope,
  validateEvent,
  capabilityKey,
  everySubject,
} from './index.js';

describe('the catalogue', () => {
  it.each(eventTypes)('%s compiles, says what it means, and has a two-part name', (type) => {
    const definition = catalogue[type];
    expect(definition.meaning).toMatch(/\.$/);
    expect(type.split('.')).toHaveLength(2);
    expect(Array.isArray(validateEvent(type, {}))).toBe(true);
  });

  it('and the API hold sound JSON Schemas', () => {
    const judge = new Ajv2020({ strict: false });
    const parts = [...eventTypes.map((type) => catalogue[type].data), ...Object.values(namedSchemas)];
    const ofRoutes = (routes as readonly ApiRoute[]).flatMap(({ body, query }) => [body, query]);
    for (const schema of [...parts, ...ofRoutes])
      if (schema) expect([schema, judge.validateSchema(schema), judge.errors]).toEqual([schema, true, null]);
    expect(judge.validateSchema({ type: 7 })).toBe(false);
  });

  it('refuses data that breaks the definition, with a pointer', () => {
    expect(validateEvent('node.reported', { nodeId: 1, attempt: 1 })).toEqual([
      expect.objectContaining({ pointer: '/nodeId' }),
    ]);
    expect(validateEvent('node.reported', { nodeId: 'a', attempt: 1, outputs: {} })).toEqual([]);
    expect(validateEvent('no.such', {})).toHaveLength(1);
  });
});

describe('the task envelope', () => {
  const fine = { objective: 'x', outputContract: { mode: 'facets', facets: ['copyVariants'] } };

  it('accepts the least that is needed', () => expect(issuesOf(TaskEnvelope, fine)).toEqual([]));

  it.each([
    [{ ...fine, objektive: 'x' }, '/objektive'],
    [{ outputContract: fine.outputContract }, '/objective'],
    [{ ...fine, outputContract: { mode: 'facets', facets: [] } }, '/outputContract/facets'],
    [
      { ...fine, policies: { runtime: [{ id: 'p', trigger: { kind: 'manual' }, action: { type: 'reply' } }] } },
      '/policies/runtime/0/action/type',
    ],
    [
      {
        ...fine,
        policies: {
          runtime: [
            { id: 'p', trigger: { kind: 'manual' }, action: { type: 'hitl', approveAction: { type: 'goto' } } },
          ],
        },
      },
      '/policies/runtime/0/action/approveAction/next',
    ],
  ])('names the fault of %j at %s', (envelope, pointer) => {
    expect(issuesOf(TaskEnvelope, envelope).map((issue) => issue.pointer)).toContain(pointer);
  });
});

describe('subjects and cursors', () => {
  it('names entity, event, partition and run, and the key where consumers filter by it', () => {
    const partition = String(partitionOf('r1', 16)).padStart(2, '0');
    expect(subjectOf('plan.requested', 'r1', 16)).toBe(`plan.requested.${partition}.r1`);
    expect(subjectOf('node.dispatched', 'r1', 16, capabilityKey('a.b', 'acme'))).toBe(
      `node.dispatched.${partition}.r1.~acme.a.b`,
    );
    expect(everySubject('node.dispatched', 'a.b')).toBe('node.dispatched.*.*.a.b');
  });

  it('reads back the ids that it writes, and nothing else', () => {
    for (const cursor of [
      { seq: 7, index: 0 },
      { seq: 7, index: 12 },
    ])
      expect(parseFrameId(formatFrameId(cursor))).toEqual(cursor);
    for (const text of ['', 'x', '-1', '1.5', 'NaN', '1e3']) expect(parseFrameId(text)).toBeUndefined();
  });
});
