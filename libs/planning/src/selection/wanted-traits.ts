import type { NormalizedPolicies, RegisteredCapability, TaskEnvelope } from '@flex/contracts';

/** What the task asks of who does it. */
export interface WantedTraits {
  readonly languages: ReadonlySet<string>;
  readonly channels: ReadonlySet<string>;
  readonly contentTypes: ReadonlySet<string>;
  /** Words of the task, to hold strengths and limitations against. */
  readonly words: ReadonlySet<string>;
}

const NAMES = {
  languages: ['language', 'languages', 'locale', 'lang'],
  channels: ['channel', 'channels', 'platform'],
  contentTypes: ['contentType', 'contentTypes', 'content_type', 'format', 'formatType'],
} as const;
type Trait = keyof typeof NAMES;

/**
 * What is stated under the usual names in the envelope's constraints, hints, labels and inputs; for what isn't, the traits of
 * registered capabilities that the task's own words mention ("… for LinkedIn").
 */
export function wantedTraits(
  envelope: Pick<
    TaskEnvelope,
    'objective' | 'inputs' | 'constraints' | 'outputContract' | 'specialInstructions' | 'metadata'
  >,
  policies: NormalizedPolicies,
  capabilities: Iterable<RegisteredCapability>,
): WantedTraits {
  const hints = envelope.outputContract.mode === 'json_schema' ? envelope.outputContract.hints : undefined;
  const stated = [envelope.constraints, hints, envelope.metadata?.labels, envelope.inputs];
  const text = [
    envelope.objective,
    ...(envelope.specialInstructions ?? []),
    ...policies.planner.directives,
    ...(envelope.outputContract.mode === 'freeform' ? [envelope.outputContract.instructions] : []),
  ].join(' ');
  const words = new Set(textWords(text));
  const normalisedText = ` ${[...textWords(text)].join(' ')} `;
  const vocabulary: Record<Trait, Set<string>> = { languages: new Set(), channels: new Set(), contentTypes: new Set() };
  for (const { traits } of capabilities) {
    if (traits === undefined) continue;
    for (const trait of ['channels', 'contentTypes', 'languages'] as const)
      for (const value of traits[trait] ?? []) vocabulary[trait].add(value);
  }
  const wanted = (trait: Trait): Set<string> => {
    const explicit = stated.flatMap((source) => NAMES[trait].flatMap((name) => texts(source?.[name])));
    // A brief among the inputs says it in a member of its own.
    for (const input of Object.values(envelope.inputs ?? {}))
      if (input !== null && typeof input === 'object' && !Array.isArray(input))
        for (const name of NAMES[trait]) explicit.push(...texts(input[name]));
    if (explicit.length > 0) return new Set(explicit.map(normal));
    // Language codes are words of other languages ("it", "no", "in"): only those spelt out count.
    const mentioned = [...vocabulary[trait]].filter(
      (value) => normal(value).length > 2 && normalisedText.includes(` ${textWords(value).join(' ')} `),
    );
    return new Set(mentioned.map(normal));
  };
  return { languages: wanted('languages'), channels: wanted('channels'), contentTypes: wanted('contentTypes'), words };
}

function texts(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : [];
}

/** `blog_post`, `Blog Post` and `blog-post` are one trait. */
export const normal = (value: string): string => textWords(value).join('-');

export function textWords(text: string): string[] {
  return text
    .replaceAll(/([a-z])([A-Z])/g, '$1 $2')
    .replaceAll(/linked in/gi, 'linkedin')
    .toLowerCase()
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => word !== '')
    .map((word) => (word.length > 4 && word.endsWith('s') && !word.endsWith('ss') ? word.slice(0, -1) : word));
}
