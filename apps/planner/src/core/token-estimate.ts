/**
 * About how many tokens a text costs. An upper estimate on purpose: tokenisers of the common models need one token for
 * three to four bytes of UTF-8, and a prompt that is a little too short harms nobody.
 */
export const estimateTokens = (text: string): number => Math.ceil(utf8Length(text) / 3.2);

function utf8Length(text: string): number {
  let bytes = text.length;
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    if (unit < 0x80) continue;
    // A surrogate pair is four bytes: two for each half. Everything else above ASCII is two or three.
    const surrogate = unit >= 0xd800 && unit <= 0xdfff;
    bytes += unit >= 0x800 && !surrogate ? 2 : 1;
  }
  return bytes;
}

/** Cuts a text to about so many tokens and says so; a text that fits is returned as it is. */
export function clip(text: string, tokens: number): string {
  if (estimateTokens(text) <= tokens) return text;
  let length = Math.min(text.length, Math.floor(tokens * 3.2));
  while (length > 0 && estimateTokens(text.slice(0, length)) > tokens) length = Math.floor(length * 0.8);
  return `${text.slice(0, length)}… [${text.length - length} more characters left out]`;
}
