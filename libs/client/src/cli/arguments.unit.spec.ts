import { parseArguments } from './arguments.js';
import { commands } from './commands.js';
import { Failure } from './failure.js';

const command = (name: string) => commands.find((candidate) => candidate.name === name)!;
const failureOf = (name: string, words: string[]): Failure => {
  try {
    parseArguments(command(name), words);
  } catch (error) {
    return error as Failure;
  }
  throw new Error('was accepted');
};

describe('arguments', () => {
  it('reads switches, values, glued values and repeated options in any order', () => {
    const parsed = parseArguments(command('runs'), ['--label', 'a=b', '--json', '--status=failed', '--label', 'c=d']);
    expect(parsed.flag('json')).toBe(true);
    expect(parsed.text('status')).toBe('failed');
    expect(parsed.texts('label')).toEqual(['a=b', 'c=d']);
  });

  it('takes - and everything behind -- as it is', () => {
    expect(parseArguments(command('run'), ['-']).positionals).toEqual(['-']);
    expect(parseArguments(command('run'), ['--', '--odd.json']).positionals).toEqual(['--odd.json']);
  });

  it.each([
    ['run', [], '<envelope> is missing'],
    ['run', ['a.json', 'b.json'], '"b.json"'],
    ['run', ['--jsno', 'a.json'], 'did you mean --json'],
    ['runs', ['--status', 'done'], 'must be one of'],
    ['runs', ['--status'], 'needs a value'],
    ['runs', ['--json=yes'], 'takes no value'],
    ['runs', ['--status', 'failed', '--status', 'running'], 'given twice'],
    ['tasks', ['aprove', 'x'], 'did you mean approve'],
  ])('refuses %s %j with exit code 2', (name, words, said) => {
    const failure = failureOf(name, words);
    expect(failure.message).toContain(said);
    expect(failure.exitCode).toBe(2);
  });
});
