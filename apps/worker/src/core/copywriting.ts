import type { Json } from '@flex/contracts';
import type { Inputs } from '@flex/worker-sdk';
import { branchOf, variantCountOf } from './instruction.js';
import { capital, clause, covered, cut, keywords, objectOf, sentence, textOf, textsOf, withoutStop } from './words.js';

interface Brief {
  angle: string;
  points: string[];
  /** The reader's own problem. */
  pain: string | undefined;
  /** Tells variants of sibling branches apart. */
  branch: string | undefined;
  action: string;
  persona: string;
  tone: string;
  hook: number;
  emoji: boolean;
  assets: string[];
}

const HEADLINE_LENGTH = 90;

/** Ways to begin; each variant takes another one. */
const OPENINGS: ((brief: Brief) => string)[] = [
  ({ angle }) => capital(withoutStop(angle)),
  ({ pain, persona, angle }) =>
    pain ? `${capital(clause(pain))}? There is another way` : `${capital(clause(persona))}: ${clause(angle)}`,
  ({ points, angle }) => capital(withoutStop(points[0] ?? angle)),
  ({ persona, angle }) => `${capital(clause(angle))}: what ${clause(persona)} should know`,
  ({ angle, points }) => `${points.length} thing${points.length === 1 ? '' : 's'} to know: ${clause(angle)}`,
];

const LEADS: Record<string, string> = {
  professional: 'Here is what matters.',
  conversational: 'Let us be plain about it.',
  inspirational: 'Imagine the day when this simply works.',
  empathetic: 'We know what this means to you.',
  playful: 'Ready? This one is fun.',
  authoritative: 'The facts speak for themselves.',
};

/**
 * The writer without a model. Exactly as many variants as the knobs say, each built from the brief's angle and key
 * points; with review findings at hand it puts right what they name.
 */
export function writeCopy(inputs: Inputs, instruction = ''): Record<string, Json> {
  const knobs = objectOf(inputs['planKnobs']);
  const brief = readBrief(inputs, instruction);
  const format = textOf(knobs['formatType']) ?? 'post';
  const asked = knobs['variantCount'];
  const count = typeof asked === 'number' && asked >= 1 ? Math.round(asked) : (variantCountOf(instruction) ?? 1);
  const findings = textsOf(
    (Array.isArray(objectOf(inputs['qaFindings'])['issues'])
      ? (objectOf(inputs['qaFindings'])['issues'] as Json[])
      : []
    ).map((issue) => objectOf(issue)['message'] ?? null),
  );
  const revised = findings.length > 0 || inputs['qaFindings'] !== undefined;
  const copyVariants = Array.from({ length: count }, (_, index): Json => {
    const headline = headlineOf(brief, index, format);
    const paragraphs =
      format === 'letter' ? letter(brief) : format === 'article' ? article(brief, index) : post(brief, index);
    if (revised) paragraphs.splice(-1, 0, ...missing(brief, [headline, ...paragraphs].join(' ')));
    return {
      id: `${brief.branch ? slug(brief.branch) : 'variant'}-${index + 1}`,
      headline,
      body: paragraphs.filter((text) => text !== '').join('\n\n'),
      callToAction: withoutStop(brief.action),
    };
  });
  return { copyVariants };
}

function readBrief(inputs: Inputs, instruction: string): Brief {
  const writerBrief = objectOf(inputs['writerBrief']);
  const knobs = objectOf(inputs['planKnobs']);
  const audience = objectOf(inputs['audienceProfile']);
  const branch = branchOf(instruction);
  const angle = textOf(writerBrief['angle']) ?? textOf(inputs['writerBrief']) ?? 'What is new';
  const points = textsOf(writerBrief['keyPoints']);
  const hook = knobs['hookIntensity'];
  const emoji = knobs['emojiUse'];
  return {
    angle: branch && !angle.includes(branch.label) ? `${branch.label}: ${clause(angle)}` : angle,
    points:
      branch?.rationale && covered(branch.rationale, points.join(' ')) < 1 ? [branch.rationale, ...points] : points,
    pain: /^[^:]{1,80}: (.+)$/u.exec(textOf(writerBrief['audienceInsight']) ?? '')?.[1],
    branch: branch?.label,
    action: textOf(writerBrief['callToAction']) ?? 'Find out more',
    persona: textOf(audience['persona']) ?? textOf(inputs['audienceProfile']) ?? 'you',
    tone: textOf(inputs['toneOfVoice']) ?? 'professional',
    hook: typeof hook === 'number' ? hook : 0.5,
    emoji: typeof emoji === 'number' && emoji > 0.2,
    assets: textsOf(writerBrief['assets']),
  };
}

function headlineOf(brief: Brief, index: number, format: string): string {
  if (format === 'letter') return cut(capital(withoutStop(brief.angle)), HEADLINE_LENGTH);
  // A weak hook states, a strong one asks: it begins the list elsewhere.
  const start = brief.hook >= 0.75 ? 1 : 0;
  const round = Math.floor(index / OPENINGS.length);
  const text = cut(OPENINGS[(index + start) % OPENINGS.length]!(brief), HEADLINE_LENGTH - 8);
  return `${text}${round > 0 ? ` (${round + 1})` : ''}${brief.emoji ? ' ✨' : ''}`;
}

function post(brief: Brief, index: number): string[] {
  const points = rotated(brief.points, index);
  return [
    LEADS[brief.tone] ?? LEADS['professional']!,
    ...points.slice(0, 2).map((point) => sentence(point)),
    ...(brief.assets.length > 0 ? [`See also: ${brief.assets.join(', ')}.`] : []),
    sentence(brief.action),
  ];
}

function article(brief: Brief, index: number): string[] {
  const sections = rotated(brief.points, index).map(
    (point, at) => `${at === 0 ? 'It begins with this.' : 'And then this.'} ${sentence(point)}`,
  );
  return [
    `${LEADS[brief.tone] ?? LEADS['professional']!} This is for ${clause(brief.persona)}.`,
    ...sections,
    `So much for ${clause(brief.angle)}.`,
    ...(brief.assets.length > 0 ? [`Further reading: ${brief.assets.join(', ')}.`] : []),
    sentence(brief.action),
  ];
}

function letter(brief: Brief): string[] {
  return [
    'Dear reader,',
    LEADS[brief.tone] ?? LEADS['empathetic']!,
    sentence(brief.angle),
    ...brief.points.map((point) => sentence(point)),
    sentence(brief.action),
    'With kind regards',
  ];
}

/** What a review asks for first: points that are not covered, and the reader's own situation. */
function missing(brief: Brief, said: string): string[] {
  const reader = brief.pain ? `You know this: ${clause(brief.pain)}` : `Written for you: ${clause(brief.persona)}`;
  const wanted = [...brief.points, reader];
  return wanted.filter((point) => covered(point, said) < 1).map((point) => sentence(point));
}

const slug = (text: string): string => keywords(text).join('-') || 'branch';

const rotated = <T>(items: T[], by: number): T[] =>
  items.length === 0 ? items : [...items.slice(by % items.length), ...items.slice(0, by % items.length)];
