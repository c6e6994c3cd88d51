import type { Json } from '../../schema.js';

/** The task of the examples: any registry with the reference facets takes it. */
export const exampleEnvelope = {
  objective: 'Two LinkedIn variants for the launch of Flex',
  inputs: {
    objectiveBrief: { objective: 'Announce Flex', channel: 'linkedin' },
    audienceProfile: { persona: 'Head of content' },
    toneOfVoice: 'inspirational',
  },
  outputContract: {
    mode: 'json_schema',
    schema: {
      type: 'object',
      required: ['variants'],
      properties: {
        variants: {
          type: 'array',
          items: {
            type: 'object',
            required: ['headline', 'body', 'callToAction'],
            properties: { headline: { type: 'string' }, body: { type: 'string' }, callToAction: { type: 'string' } },
          },
        },
      },
    },
  },
} satisfies Json;
