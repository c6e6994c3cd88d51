import type { Json } from '@flex/contracts';
import type { Inputs } from '@flex/worker-sdk';
import { covered, objectOf, textOf, textsOf } from './words.js';

interface Issue {
  criterion: string;
  severity: 'low' | 'medium' | 'high';
  message: string;
  recommendation: string;
  variantId: string;
  pointer: string;
}

interface Variant {
  id: string;
  at: number;
  headline: string;
  body: string;
  callToAction: string | undefined;
}

const BANNED = [
  'game-changer',
  'game changer',
  'revolutionary',
  'synergy',
  'world-class',
  'best-in-class',
  'cutting-edge',
  'disrupt',
];
const LONGEST_HEADLINE = 100;
const SHORTEST_BODY = 40;
const LONGEST_SENTENCE_WORDS = 40;
const PENALTY = { low: 0.1, medium: 0.25, high: 0.6 };
/** Share of a key point's words that count as covering it. */
const COVERED = 0.6;

/** The reviewer without a model: real checks of real text, each finding with the place it is about. */
export function review(inputs: Inputs): Record<string, Json> {
  const variants = (Array.isArray(inputs['copyVariants']) ? inputs['copyVariants'] : []).map(readVariant);
  const brief = objectOf(inputs['writerBrief']);
  const issues = variants.flatMap((variant) => [
    ...checkForm(variant),
    ...checkWords(variant, brief),
    ...checkBrief(variant, brief),
  ]);
  issues.push(...checkDifference(variants));
  const scores = scoresOf(issues, Math.max(1, variants.length), inputs['qaRubric']);
  const overall = scores['overall']!;
  const bad = issues.some(({ severity }) => severity === 'high') || variants.length === 0;
  return {
    qaFindings: {
      overallStatus: bad || overall < 0.5 ? 'fail' : issues.length > 0 ? 'warn' : 'pass',
      scores,
      issues: issues.map(({ severity, message, variantId, pointer }) => ({ severity, message, variantId, pointer })),
    },
    recommendationSet: issues.map(({ recommendation, severity, variantId }) => ({
      recommendation,
      priority: severity,
      appliesTo: variantId,
    })),
  };
}

function readVariant(value: Json, at: number): Variant {
  const variant = objectOf(value);
  return {
    id: textOf(variant['id']) ?? `variant-${at + 1}`,
    at,
    headline: textOf(variant['headline']) ?? '',
    body: textOf(variant['body']) ?? '',
    callToAction: textOf(variant['callToAction']),
  };
}

const issueOf = (
  { id, at }: Variant,
  member: string,
  criterion: string,
  severity: Issue['severity'],
  message: string,
  recommendation: string,
): Issue => ({ criterion, severity, message, recommendation, variantId: id, pointer: `/${at}/${member}` });

function checkForm(variant: Variant): Issue[] {
  const { headline, body, callToAction } = variant;
  const found: Issue[] = [];
  if (headline === '')
    found.push(issueOf(variant, 'headline', 'clarity', 'high', 'There is no headline', 'Write a headline'));
  if (headline.length > LONGEST_HEADLINE) {
    const message = `The headline has ${headline.length} characters; more than ${LONGEST_HEADLINE} are cut off in feeds`;
    found.push(issueOf(variant, 'headline', 'clarity', 'medium', message, 'Shorten the headline'));
  }
  if (body.length < SHORTEST_BODY) {
    found.push(
      issueOf(variant, 'body', 'clarity', 'high', `The body has only ${body.length} characters`, 'Write the body out'),
    );
  }
  const longest = Math.max(0, ...body.split(/[.!?\n]+/u).map((text) => text.trim().split(/\s+/u).length));
  if (longest > LONGEST_SENTENCE_WORDS) {
    const message = `A sentence has ${longest} words`;
    found.push(issueOf(variant, 'body', 'clarity', 'low', message, 'Split the longest sentence'));
  }
  if (callToAction === undefined) {
    found.push(
      issueOf(
        variant,
        'callToAction',
        'action',
        'medium',
        'There is no call to action',
        'Say what the reader should do next',
      ),
    );
  }
  return found;
}

function checkWords(variant: Variant, brief: Record<string, Json>): Issue[] {
  const text = `${variant.headline} ${variant.body}`;
  const banned = [...BANNED, ...textsOf(brief['doNot'])].filter((word) =>
    text.toLowerCase().includes(word.toLowerCase()),
  );
  const found = banned.map((word) =>
    issueOf(variant, 'body', 'brand', 'medium', `"${word}" is not to be used`, `Say it without "${word}"`),
  );
  if (/[\p{Lu}\s]{25,}/u.test(text)) {
    found.push(
      issueOf(variant, 'body', 'brand', 'medium', 'Whole phrases are in capitals', 'Write them in normal letters'),
    );
  }
  if ((text.match(/!/g) ?? []).length > 3) {
    found.push(
      issueOf(variant, 'body', 'brand', 'low', 'There are more than three exclamation marks', 'Leave most of them out'),
    );
  }
  return found;
}

function checkBrief(variant: Variant, brief: Record<string, Json>): Issue[] {
  const text = `${variant.headline} ${variant.body} ${variant.callToAction ?? ''}`;
  const found = textsOf(brief['keyPoints'])
    .filter((point) => covered(point, text) < COVERED)
    .map((point) =>
      issueOf(
        variant,
        'body',
        'coverage',
        'medium',
        `The key point "${point}" is not covered`,
        `Cover the key point "${point}"`,
      ),
    );
  const insight = textOf(brief['audienceInsight']);
  if (insight && covered(insight.replace(/^[^:]{1,80}: /u, ''), text) < COVERED) {
    const message = `The audience's situation is not addressed: ${insight}`;
    found.push(issueOf(variant, 'body', 'audience', 'low', message, 'Say that you know the situation of the reader'));
  }
  return found;
}

function checkDifference(variants: Variant[]): Issue[] {
  const found: Issue[] = [];
  for (const [index, variant] of variants.entries()) {
    const twin = variants.slice(0, index).find(({ headline }) => headline === variant.headline && headline !== '');
    if (!twin) continue;
    const message = `It opens exactly as ${twin.id} does`;
    found.push(issueOf(variant, 'headline', 'clarity', 'high', message, 'Open with another idea'));
  }
  return found;
}

const CRITERIA = ['clarity', 'brand', 'coverage', 'audience', 'action'];

/** Per criterion 1 minus what its issues cost on average; overall the mean, weighted by the rubric where it says so. */
function scoresOf(issues: Issue[], variants: number, rubric: Json | undefined): Record<string, number> {
  const weights = new Map<string, number>();
  const criteria = objectOf(rubric)['criteria'];
  for (const criterion of Array.isArray(criteria) ? criteria : []) {
    const { id, weight } = objectOf(criterion);
    if (typeof id === 'string' && typeof weight === 'number' && weight >= 0) weights.set(id, weight);
  }
  const scores: Record<string, number> = {};
  let sum = 0;
  let weight = 0;
  for (const criterion of CRITERIA) {
    const cost = issues
      .filter((issue) => issue.criterion === criterion)
      .reduce((all, { severity }) => all + PENALTY[severity], 0);
    scores[criterion] = round(Math.max(0, 1 - cost / variants));
    const share = weights.get(criterion) ?? 1;
    sum += scores[criterion] * share;
    weight += share;
  }
  return { ...scores, overall: round(weight === 0 ? 1 : sum / weight) };
}

const round = (value: number): number => Math.round(value * 1000) / 1000;
