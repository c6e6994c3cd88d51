/**
 * Text that somebody else wrote (inputs, capability summaries, facet guidance) stands in a prompt between two marks that it
 * cannot contain, so that no text can end its own fence and speak as Flex. What a text inside says is still only read:
 * a draft that follows it passes the same validation as any other.
 */
export function fence(label: string, text: string): string {
  const mark = markFor(text);
  return `<<${mark} ${label}>>\n${text}\n<<END ${mark}>>`;
}

/** The first of `DATA`, `DATA1`, `DATA2`… that the text does not mention; the same text always gets the same mark. */
function markFor(text: string): string {
  const upper = text.toUpperCase();
  let mark = 'DATA';
  for (let next = 1; upper.includes(mark); next += 1) mark = `DATA${next}`;
  return mark;
}

/** One line without control characters: for names and titles that stand inside a list. */
export const oneLine = (text: string, limit: number): string => {
  const flat = text.replaceAll(/\p{Cc}+/gu, ' ').trim();
  return flat.length <= limit ? flat : `${flat.slice(0, limit - 1)}…`;
};
