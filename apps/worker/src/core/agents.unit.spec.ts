import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import type { Facet, Json, JsonSchema } from '@flex/contracts';
import { perform } from './agents.js';
import { fitToSchema } from './fit-to-schema.js';

const catalogue = JSON.parse(
  readFileSync(new URL('../../../../examples/catalog/facets.json', import.meta.url), 'utf8'),
) as Facet[];
const schemaOf = (...names: string[]): JsonSchema => ({
  type: 'object',
  properties: Object.fromEntries(names.map((name) => [name, catalogue.find((facet) => facet.name === name)!.schema])),
  required: names,
  additionalProperties: false,
});
const ajv = new Ajv2020({ strict: false, validateFormats: false });
const valid = (schema: JsonSchema, value: unknown): boolean => ajv.validate(schema, value);

const envelope = {
  objectiveBrief: {
    objective: 'Announce the open beta of Flex',
    channel: 'linkedin',
    contentType: 'social_post',
    keyMessages: ['Plans are proven before they run', 'Every step is streamed', 'People stay in control'],
  },
  audienceProfile: { persona: 'Head of content', painPoints: ['Drafts that nobody can trace'] },
  toneOfVoice: 'inspirational',
};
const strategy = (inputs: Record<string, Json> = envelope, instruction = '') => {
  const outputFacets = ['writerBrief', 'planKnobs', 'strategicRationale'];
  return perform({ inputs, instruction, outputFacets, outputSchema: schemaOf(...outputFacets) });
};
const write = (knobs: object, more: Record<string, Json> = {}, instruction = '') => {
  const { writerBrief, planKnobs } = strategy();
  const inputs = { ...envelope, writerBrief, planKnobs: { ...(planKnobs as object), ...knobs } as Json, ...more };
  const outputs = perform({
    inputs,
    instruction,
    outputFacets: ['copyVariants'],
    outputSchema: schemaOf('copyVariants'),
  });
  return {
    writerBrief: writerBrief!,
    variants: outputs['copyVariants'] as { headline: string; body: string; callToAction: string }[],
  };
};
const judge = (copyVariants: Json, writerBrief: Json, qaRubric?: Json) => {
  const outputFacets = ['qaFindings', 'recommendationSet'];
  const outputs = perform({
    inputs: { copyVariants, writerBrief, qaRubric },
    instruction: '',
    outputFacets,
    outputSchema: schemaOf(...outputFacets),
  });
  expect(valid(schemaOf(...outputFacets), outputs)).toBe(true);
  return outputs['qaFindings'] as {
    overallStatus: string;
    scores: Record<string, number>;
    issues: { message: string; pointer: string }[];
  };
};

describe('the deterministic agents', () => {
  it('take the strategy from the brief', () => {
    const outputs = strategy();
    expect(valid(schemaOf('writerBrief', 'planKnobs', 'strategicRationale'), outputs)).toBe(true);
    expect(outputs['writerBrief']).toMatchObject({
      angle: 'Announce the open beta of Flex',
      keyPoints: ['Plans are proven before they run.', 'Every step is streamed.', 'People stay in control.'],
      audienceInsight: 'Head of content: Drafts that nobody can trace',
    });
    expect(outputs['planKnobs']).toMatchObject({ formatType: 'post', variantCount: 2, hookIntensity: 0.8 });
    expect(strategy()).toEqual(outputs);
  });

  it('propose directions that differ', () => {
    const outputFacets = ['creativeDirections'];
    const propose = (inputs: Record<string, Json>) => {
      const outputs = perform({ inputs, instruction: '', outputFacets, outputSchema: schemaOf(...outputFacets) });
      expect(valid(schemaOf(...outputFacets), outputs)).toBe(true);
      return (outputs['creativeDirections'] as { label: string }[]).map(({ label }) => label);
    };
    expect(propose(envelope)).toEqual(envelope.objectiveBrief.keyMessages);
    expect(new Set(propose({ objectiveBrief: { objective: 'x' } })).size).toBe(2);
  });

  it('write exactly as many variants as the knobs say, each with its own opening', () => {
    for (const variantCount of [1, 2, 3, 5]) {
      const { variants } = write({ variantCount });
      expect(variants).toHaveLength(variantCount);
      expect(new Set(variants.map(({ headline }) => headline)).size).toBe(variantCount);
      for (const { headline, body, callToAction } of variants) {
        expect(headline.length).toBeLessThanOrEqual(90);
        expect(body.length).toBeGreaterThan(40);
        expect(callToAction).not.toBe('');
      }
    }
  });

  it('write for their branch, and in the format asked for', () => {
    const branch = write(
      { formatType: 'article', variantCount: 1 },
      {},
      'Write.\n\nBranch "Culture story": Who stands behind it',
    );
    expect(branch.variants[0]!.headline + branch.variants[0]!.body).toContain('Culture story');
    const letter = write({ formatType: 'letter', variantCount: 1 }, { toneOfVoice: 'empathetic' });
    expect(letter.variants[0]!.body).toMatch(/^Dear reader,[\s\S]*With kind regards$|^Dear reader,/);
  });

  it('review what is really there: a first draft is not perfect, one revised by the findings is better', () => {
    const { variants, writerBrief } = write({ variantCount: 2 });
    const first = judge(variants, writerBrief);
    expect(first.overallStatus).toBe('warn');
    expect(first.scores['overall']).toBeLessThan(0.99);
    expect(first.issues[0]).toMatchObject({ pointer: '/0/body', message: expect.stringContaining('key point') });
    const revised = judge(write({ variantCount: 2 }, { qaFindings: first as unknown as Json }).variants, writerBrief);
    expect(revised.scores['overall']).toBeGreaterThan(first.scores['overall']!);
    expect(revised.overallStatus).toBe('pass');
  });

  it('find banned words, missing parts, twins, and weigh by the rubric', () => {
    const text = 'A revolutionary text of a length that nobody could call too short.';
    const copy: Json[] = [
      { id: 'a', headline: 'Same', body: text },
      { id: 'b', headline: 'Same', body: 'Short.', callToAction: 'Go' },
    ];
    const found = judge(copy, { angle: 'x', keyPoints: ['text'], doNot: ['nobody'] });
    const messages = found.issues.map(({ message }) => message).join('\n');
    for (const part of ['revolutionary', 'nobody', 'call to action', 'only 6 characters', 'opens exactly as a'])
      expect(messages).toContain(part);
    expect(found.overallStatus).toBe('fail');
    const weighed = judge(
      copy,
      { angle: 'x', keyPoints: ['text'] },
      { criteria: [{ id: 'clarity', description: 'x', weight: 100 }] },
    );
    expect(weighed.scores['overall']).toBeLessThan(found.scores['overall']!);
    expect(judge([], { angle: 'x', keyPoints: ['y'] }).overallStatus).toBe('fail');
  });

  it('follow a stricter schema than the catalogue, and reshape what no craft makes', () => {
    const outputSchema = {
      type: 'object',
      properties: {
        planKnobs: {
          type: 'object',
          properties: { variantCount: { const: 3 }, extra: { type: 'string', minLength: 2 } },
          required: ['variantCount', 'extra'],
          additionalProperties: false,
        },
      },
    };
    const { planKnobs } = perform({ inputs: envelope, instruction: '', outputFacets: ['planKnobs'], outputSchema });
    expect(valid(outputSchema.properties.planKnobs, planKnobs)).toBe(true);
    const shaped = {
      type: 'object',
      properties: {
        digest: {
          type: 'object',
          properties: { persona: { type: 'string' }, objective: { type: 'string' } },
          required: ['persona', 'objective'],
          additionalProperties: false,
        },
      },
    };
    const { digest } = perform({ inputs: envelope, instruction: '', outputFacets: ['digest'], outputSchema: shaped });
    expect(digest).toEqual({ persona: 'Head of content', objective: 'Announce the open beta of Flex' });
  });

  it('make any inputs into valid outputs, without ever failing', () => {
    const facets = [
      'writerBrief',
      'planKnobs',
      'strategicRationale',
      'copyVariants',
      'qaFindings',
      'recommendationSet',
    ];
    const schema = schemaOf(...facets);
    const names = [
      'objectiveBrief',
      'audienceProfile',
      'toneOfVoice',
      'assetBundle',
      'writerBrief',
      'planKnobs',
      'copyVariants',
      'qaRubric',
      'qaFindings',
    ];
    const anything = fc.dictionary(fc.constantFrom(...names), fc.jsonValue({ maxDepth: 3 }) as fc.Arbitrary<Json>);
    fc.assert(
      fc.property(anything, (inputs) => {
        // A knob of a thousand variants is refused before it reaches a writer.
        expect(valid(schema, perform({ inputs, instruction: '', outputFacets: facets, outputSchema: schema }))).toBe(
          true,
        );
      }),
      { numRuns: 300 },
    );
  });

  it('fit lists, numbers and texts into their bounds', () => {
    const schema = { type: 'array', minItems: 2, maxItems: 3, items: { type: 'integer', minimum: 1, maximum: 5 } };
    expect(fitToSchema([9, 2.4, 0, 7], schema)).toEqual([5, 2, 1]);
    expect(fitToSchema([4], schema)).toEqual([4, 4]);
    expect(fitToSchema('a long text indeed', { type: 'string', maxLength: 10 })).toBe('a long…');
    expect(fitToSchema(undefined, { enum: ['x', 'y'] })).toBe('x');
  });
});
