import { readFile } from 'node:fs/promises';
import type { CommandContext } from '../command.js';
import { usage } from '../failure.js';
import { jsonFault } from '../json-place.js';

/** Text of a JSON file, or of standard input for `-`; unreadable or not JSON is a usage failure with the place. */
export async function readJson(context: CommandContext, path: string): Promise<unknown> {
  const name = path === '-' ? 'standard input' : path;
  const text = path === '-' ? await context.stdin() : await readText(path);
  if (text.trim() === '') throw usage(`${name} is empty`);
  const json = text.replace(/^\uFEFF/, '');
  try {
    return JSON.parse(json);
  } catch {
    const { line, column, expected } = jsonFault(json);
    throw usage(`${name} is not JSON: line ${line}, column ${column}: expected ${expected}`);
  }
}

/**
 * Judges an envelope by its schema, as the gateway would, when there is no gateway yet: nobody wants to wait for a stack
 * to hear of a typing error. Loaded when needed, because the schemas cost more than all the rest of a command.
 */
export async function checkEnvelope(value: unknown, path: string): Promise<void> {
  const { issuesOf, TaskEnvelope } = await import('@flex/contracts');
  const issues = issuesOf(TaskEnvelope, value);
  if (issues.length === 0) return;
  throw usage(
    `${path === '-' ? 'standard input' : path} is not a valid envelope`,
    issues.map((issue) => `${issue.pointer || '/'}: ${issue.message}`),
  );
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw usage(`no such file: ${path}`);
    if (code === 'EISDIR') throw usage(`${path} is a folder, not an envelope`);
    if (code === 'EACCES') throw usage(`${path} may not be read`);
    throw usage(`${path} cannot be read: ${(error as Error).message}`);
  }
}
