import type { Paint } from '../terminal.js';

/** Cuts text to a width, with an ellipsis; line breaks become spaces. */
export function fit(text: string, width: number): string {
  const line = text.replaceAll(/\s+/g, ' ').trim();
  if (line.length <= width) return line;
  return width <= 1 ? '…' : `${line.slice(0, width - 1)}…`;
}

/** A table with a heading; the last column takes what room is left. */
export function table(
  headings: readonly string[],
  rows: readonly (readonly string[])[],
  paint: Paint,
  columns = 100,
): string[] {
  const widths = headings.map((heading, i) => Math.max(heading.length, ...rows.map((row) => (row[i] ?? '').length)));
  const last = headings.length - 1;
  const before = widths.slice(0, last).reduce((sum, width) => sum + width + 2, 0);
  widths[last] = Math.max(10, Math.min(widths[last] ?? 0, columns - before));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => (i === last ? fit(cell, widths[i]!) : cell.padEnd(widths[i]!)))
      .join('  ')
      .trimEnd();
  return [paint('dim', line(headings)), ...rows.map(line)];
}
