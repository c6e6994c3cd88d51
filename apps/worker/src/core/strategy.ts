import type { Json } from '@flex/contracts';
import type { Inputs } from '@flex/worker-sdk';
import { branchOf } from './instruction.js';
import { clause, cut, objectOf, sentence, textOf, textsOf, withoutStop } from './words.js';

const FORMATS: [RegExp, string][] = [
  [/letter|e-?mail|rejection/i, 'letter'],
  [/blog|article|website/i, 'article'],
  [/post|linkedin|social/i, 'post'],
];

const HOOK: Record<string, number> = {
  playful: 0.9,
  inspirational: 0.8,
  conversational: 0.6,
  authoritative: 0.5,
  professional: 0.4,
  empathetic: 0.2,
};

const ACTIONS: Record<string, string> = {
  post: 'Tell us what you would try first',
  article: 'Read on, and try it on a task of your own',
  letter: 'Write to us if you have any question',
};

/** The strategist without a model: everything it says comes from the brief that it was given. */
export function strategise(inputs: Inputs, instruction = ''): Record<string, Json> {
  const brief = objectOf(inputs['objectiveBrief']);
  const audience = objectOf(inputs['audienceProfile']);
  const tone = textOf(inputs['toneOfVoice']) ?? 'professional';
  const objective = textOf(brief['objective']) ?? textOf(inputs['objectiveBrief']) ?? 'Reach the objective of this run';
  const contentType = textOf(brief['contentType']);
  const channel = textOf(brief['channel']);
  const formatType = FORMATS.find(([pattern]) => pattern.test(`${contentType} ${channel} ${objective}`))?.[1] ?? 'post';
  const branch = branchOf(instruction);
  const messages = textsOf(brief['keyMessages']);
  const pains = textsOf(audience['painPoints']);
  const persona = textOf(audience['persona']) ?? textOf(inputs['audienceProfile']) ?? 'the reader';
  const assets = Array.isArray(inputs['assetBundle']) ? inputs['assetBundle'].map((asset) => objectOf(asset)) : [];
  const named = assets.flatMap((asset) => textOf(asset['title']) ?? []);
  const angle = branch ? `${branch.label}: ${clause(objective)}` : withoutStop(objective);
  const keyPoints = [...messages, ...(branch?.rationale ? [branch.rationale] : [])];
  if (keyPoints.length === 0) keyPoints.push(objective);
  return {
    writerBrief: {
      angle,
      keyPoints: keyPoints.slice(0, 12).map((point) => sentence(point)),
      audienceInsight: pains[0] ? `${persona}: ${clause(pains[0])}` : persona,
      callToAction: ACTIONS[formatType]!,
      doNot: doNots(formatType),
      ...(channel ? { channel } : {}),
      ...(contentType ? { contentType } : {}),
      ...(named.length > 0 ? { assets: named } : {}),
    },
    planKnobs: {
      formatType,
      variantCount: formatType === 'post' ? 2 : 1,
      hookIntensity: HOOK[tone] ?? 0.5,
      length: formatType === 'article' ? 'long' : formatType === 'letter' ? 'medium' : 'short',
      emojiUse: tone === 'playful' ? 0.3 : 0,
    },
    strategicRationale: {
      summary: sentence(`${cut(angle, 120)}, for ${persona}, in ${/^[aeiou]/.test(tone) ? 'an' : 'a'} ${tone} tone`),
      decisions: [
        { decision: `Format: ${formatType}`, because: because(contentType, channel, formatType) },
        {
          decision: `${keyPoints.length} key point${keyPoints.length === 1 ? '' : 's'}, in this order`,
          because:
            messages.length > 0 ? 'The brief names them' : 'The brief names none, so the objective itself is the point',
        },
        {
          decision: `Hook intensity ${HOOK[tone] ?? 0.5}`,
          because: `That is what a ${tone} tone carries`,
        },
      ],
    },
  };
}

/** Directions that differ in what they build on: each key message, or else the two questions every reader has. */
export function direct(inputs: Inputs): Record<string, Json> {
  const brief = objectOf(inputs['objectiveBrief']);
  const persona = textOf(objectOf(inputs['audienceProfile'])['persona']) ?? 'the reader';
  const messages = textsOf(brief['keyMessages']).slice(0, 6);
  const ideas =
    messages.length > 1
      ? messages.map((message) => ({
          label: cut(withoutStop(message), 60),
          rationale: `The brief wants ${clause(persona)} to know it`,
        }))
      : [
          { label: 'What it does', rationale: `${persona} asks first what is in it for them` },
          { label: 'Who stands behind it', rationale: `${persona} trusts people before products` },
        ];
  return {
    creativeDirections: ideas.map(({ label, rationale }, index) => ({
      id: `direction-${index + 1}`,
      label,
      rationale: sentence(rationale),
    })),
  };
}

const doNots = (format: string): string[] =>
  format === 'letter'
    ? ['false hope', 'standard phrases']
    : ['superlatives', 'jargon', 'claims that the brief does not make'];

const because = (contentType: string | undefined, channel: string | undefined, format: string): string => {
  if (contentType) return `The brief asks for ${contentType}`;
  return channel ? `The brief is for ${channel}` : `A ${format} suits an objective without a channel`;
};
