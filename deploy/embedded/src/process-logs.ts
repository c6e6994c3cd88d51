/** The log files of a stack: bounded in size, readable from the end. */
import { closeSync, copyFileSync, existsSync, fstatSync, openSync, readSync, statSync, truncateSync } from 'node:fs';

/** Two files of this size at most per process. */
export const LOG_LIMIT_BYTES = 20 * 1024 * 1024;

/**
 * Keeps a log bounded while its writer goes on: the file was opened for appending, so that after truncation the next
 * line is its first. A line written between copy and truncation is lost, which bounds are worth.
 */
export function boundLog(path: string, limit = LOG_LIMIT_BYTES): void {
  if (!existsSync(path) || statSync(path).size <= limit) return;
  copyFileSync(path, `${path}.1`);
  truncateSync(path);
}

/** The text from `offset` (bytes) on, and where it ends. A file that shrank is read from its beginning. */
export function readFrom(path: string, offset: number): { text: string; end: number } {
  if (!existsSync(path)) return { text: '', end: 0 };
  const file = openSync(path, 'r');
  try {
    const { size } = fstatSync(file);
    const start = size < offset ? 0 : offset;
    const buffer = Buffer.alloc(size - start);
    const length = readSync(file, buffer, 0, buffer.length, start);
    return { text: buffer.toString('utf8', 0, length), end: start + length };
  } finally {
    closeSync(file);
  }
}

/** The last `count` lines, looking at the last 256 KiB only. */
export function lastLines(path: string, count: number): string {
  if (!existsSync(path)) return '';
  const { text } = readFrom(path, Math.max(0, statSync(path).size - 256 * 1024));
  const lines = text.replace(/\n$/, '').split('\n');
  return lines.slice(-count).join('\n');
}
