import type { TaskEnvelope } from '@flex/contracts';
import { envelope, snapshot } from './seed-world.spec.js';
import { validateEnvelope } from './validate-envelope.js';

describe('an envelope', () => {
  it('that is sound has no issues', () => {
    expect(validateEnvelope(envelope(), snapshot)).toEqual([]);
    expect(
      validateEnvelope(
        envelope({ policies: { runtime: [{ id: 'a', trigger: 'onStart' as never, action: { type: 'pause' } }] } }),
        snapshot,
      ),
    ).toEqual([]);
    expect(
      validateEnvelope(envelope({ inputs: { ...envelope().inputs, freeText: 'anything', assets: [] } }), snapshot),
    ).toEqual([]);
  });

  it.each<[string, unknown, string, string]>([
    ['no object', 'hello', '', 'object'],
    ['no objective', { outputContract: { mode: 'freeform', instructions: 'x' } }, '/objective', 'required'],
    ['a misspelt field', { ...envelope(), objectiv: 'x' }, '/objectiv', 'did you mean "objective"?'],
    ['an unknown field', { ...envelope(), colour: 'x' }, '/colour', 'supported are objective'],
    [
      'a misspelt field of the contract',
      { ...envelope(), outputContract: { mode: 'facets', facets: ['qaFindings'], constraint: [] } },
      '/outputContract/constraint',
      'did you mean "constraints"?',
    ],
    [
      'an unknown mode of contract',
      { ...envelope(), outputContract: { mode: 'xml' } },
      '/outputContract/mode',
      '"facets"',
    ],
    [
      'a contract that is no schema',
      envelope({ outputContract: { mode: 'json_schema', schema: { type: 'objekt' } } }),
      '/outputContract/schema/type',
      'not a valid JSON Schema',
    ],
    [
      'a contract whose reference leads nowhere',
      envelope({ outputContract: { mode: 'json_schema', schema: { $ref: '#/$defs/none' } } }),
      '/outputContract/schema',
      'none',
    ],
    [
      'a facet that does not exist',
      envelope({ outputContract: { mode: 'facets', facets: ['qaFinding'] } }),
      '/outputContract/facets/0',
      'did you mean "qaFindings"?',
    ],
    ['an input that breaks its facet', envelope({ inputs: { toneOfVoice: 'angry' } }), '/inputs/toneOfVoice', '"warm"'],
    [
      'an input by its property key that breaks its facet',
      envelope({ inputs: { assets: 'logo' } }),
      '/inputs/assets',
      'array',
    ],
    [
      'an input that is a facet but for its case',
      envelope({ inputs: { toneofvoice: 'warm' } }),
      '/inputs/toneofvoice',
      'did you mean "toneOfVoice"?',
    ],
    [
      'a misspelt policy',
      { ...envelope(), policies: { planner: { topologie: {} } } },
      '/policies/planner/topologie',
      'Did you mean "topology"?',
    ],
    [
      'policies against the contract',
      envelope({ policies: { planner: { topology: { variantCount: 3 } } } }),
      '/policies/planner/topology/variantCount',
      'at most 2',
    ],
    [
      'a condition that does not compile',
      envelope({
        policies: {
          runtime: [{ id: 'a', trigger: { kind: 'manual', condition: 'facets.a >' }, action: { type: 'pause' } }],
        },
      }),
      '/policies/runtime/0/trigger/condition',
      'line 1, column 11',
    ],
    [
      'a goal on a facet that does not exist',
      envelope({ goalConditions: [{ facet: 'mood', condition: 'value == 1' }] }),
      '/goalConditions/0/facet',
      'no facet "mood"',
    ],
    [
      'a goal that does not compile',
      envelope({ goalConditions: [{ facet: 'qaFindings', condition: { eq: [1, 1] } }] }),
      '/goalConditions/0/condition/eq',
      'Unknown operator',
    ],
    [
      'a constraint that does not compile',
      envelope({
        outputContract: {
          mode: 'freeform',
          instructions: 'x',
          constraints: [{ constraintId: 'c', level: 'hard', expr: 'length(' }],
        },
      }),
      '/outputContract/constraints/0/expr',
      'line 1',
    ],
    [
      'two constraints of one id',
      envelope({
        outputContract: {
          mode: 'freeform',
          instructions: 'x',
          constraints: [
            { constraintId: 'c', level: 'hard', expr: true },
            { constraintId: 'c', level: 'soft', expr: true },
          ],
        },
      }),
      '/outputContract/constraints/1/constraintId',
      'Two constraints',
    ],
  ])('with %s is refused where it is wrong', (_what, wrong, pointer, message) => {
    const issues = validateEnvelope(wrong, snapshot);
    expect(issues).toContainEqual(expect.objectContaining({ pointer, message: expect.stringContaining(message) }));
  });

  it('is judged without the registry as far as that goes', () => {
    const unknown: Partial<TaskEnvelope> = { outputContract: { mode: 'facets', facets: ['nothing'] } };
    expect(validateEnvelope(envelope(unknown))).toEqual([]);
  });

  it('never makes the judge fail, whatever it is', () => {
    for (const odd of [
      null,
      1,
      [],
      { outputContract: null, policies: null },
      {
        ...envelope(),
        outputContract: { mode: 'json_schema', schema: 5 },
        policies: { planner: { topology: { variantCount: 1 } } },
      },
      { ...envelope(), policies: [] },
    ]) {
      expect(validateEnvelope(odd, snapshot).length).toBeGreaterThan(0);
    }
  });
});
