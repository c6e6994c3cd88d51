import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { spawnSync } from 'node:child_process';
import { commands } from './commands.js';
import { completionScript } from './completion.js';
import { runCommand } from './main.js';
import { testChannels } from './testing/index.js';

/** Nobody listens on port 9: whatever asks the gateway fails at once. */
const env = { FLEX_URL: 'http://127.0.0.1:9' };

async function cli(words: string[], input = '', environment: NodeJS.ProcessEnv = env) {
  const channels = testChannels(input);
  const code = await runCommand(words, environment, channels);
  return { code, out: channels.stdout.text(), err: channels.stderr.text() };
}

describe('the command line', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'flex-cli-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };

  it('lists every command in its help', async () => {
    const { code, out } = await cli(['help']);
    expect(code).toBe(0);
    for (const command of commands) expect(out).toContain(`  ${command.name} `);
  });

  it.each(['version', '--version'])('%s says which one it is', async (word) => {
    expect(await cli([word])).toMatchObject({ code: 0, out: expect.stringMatching(/^flex \d+\.\d+\.\d+\n$/) });
  });

  it.each(commands.map((command) => command.name))('%s has help with examples, and a handler', async (name) => {
    const command = commands.find((candidate) => candidate.name === name)!;
    const { code, out } = await cli([name, '--help']);
    expect(code).toBe(0);
    for (const example of command.examples) expect(out).toContain(example);
    expect(typeof (await command.load())).toBe('function');
  });

  it('writes no colours where there is no terminal', async () => {
    expect((await cli(['help'])).out).not.toContain('\u001b[');
  });

  it.each([
    ['a command that does not exist', ['rnu'], 'did you mean run'],
    ['no such file', ['run', 'missing.json'], 'no such file: missing.json'],
  ])('%s: exit code 2, one clear line', async (_case, words, said) => {
    const { code, err, out } = await cli(words);
    expect(code).toBe(2);
    expect(err).toContain(said);
    expect(err).not.toMatch(/\n\s+at /);
    expect(out).toBe('');
  });

  it('says an error as one JSON line to whoever asked for JSON', async () => {
    const { code, err } = await cli(['runs', '--json']);
    expect(code).toBe(3);
    expect(JSON.parse(err)).toMatchObject({ error: { message: expect.any(String), exitCode: 3 } });
  });

  it('refuses what is not JSON, and says where', async () => {
    const { code, err } = await cli(['run', file('broken.json', '{\n  "objective": \n}')]);
    expect(code).toBe(2);
    expect(err).toContain('is not JSON');
    expect(err).toContain('line 3');
  });

  it('refuses an envelope that breaks its schema, with a pointer to each fault', async () => {
    const bad = file(
      'bad.json',
      JSON.stringify({ objectiv: 'x', inputs: 3, outputContract: { mode: 'facets', facets: [] } }),
    );
    // Nobody waits for a stack to hear of a typing error: the schema is judged before one is brought up.
    const { code, err } = await cli(['run', bad], '', { FLEX_HOME: join(folder, 'home') });
    expect(existsSync(join(folder, 'home'))).toBe(false);
    expect(code).toBe(2);
    expect(err).toContain('/objectiv: unknown field "objectiv"');
    expect(err).toContain('/objective: "objective" is required');
    expect(err).toContain('/inputs: must be object');
    expect(err).toContain('/outputContract/facets: ');
  });

  it('refuses an empty standard input', async () => {
    const { code, err } = await cli(['run', '-'], ' \n');
    expect(code).toBe(2);
    expect(err).toContain('standard input is empty');
  });

  it('says in one line that nobody answers, with exit code 3', async () => {
    const { code, err, out } = await cli(['runs']);
    expect(code).toBe(3);
    expect(err).toContain('cannot reach http://127.0.0.1:9');
    expect(out).toBe('');
  });

  it.each([['watch'], ['run', '-']])('says so as well when it wants to follow a run: %s', async (...words) => {
    const envelope = { objective: 'x', outputContract: { mode: 'freeform', instructions: 'x' } };
    const { code, err } = await cli([...words, ...(words[0] === 'watch' ? ['r1'] : [])], JSON.stringify(envelope));
    expect(code).toBe(3);
    expect(err).toContain('cannot reach http://127.0.0.1:9');
  });

  it.each([['not a url'], ['ftp://x']])('refuses the address %j', async (url) => {
    const { code, err } = await cli(['runs', '--url', url]);
    expect(code).toBe(2);
    expect(err).toContain('is not an address of a gateway');
  });

  it('needs exactly one kind of signal', async () => {
    expect((await cli(['signal', 'r'])).code).toBe(2);
    expect((await cli(['signal', 'r', '--policy', 'p', '--metric', 'm=1'])).code).toBe(2);
    expect((await cli(['signal', 'r', '--metric', 'm=much'])).err).toContain('<name>=<number>');
  });

  it('prints a bash completion that bash accepts and that completes', () => {
    const script = `${completionScript('bash', commands)}\nCOMP_WORDS=(flex ca); COMP_CWORD=1; _flex; echo "\${COMPREPLY[*]}"`;
    const { stdout, stderr } = spawnSync('bash', ['-c', script], { encoding: 'utf8' });
    expect(stderr).toBe('');
    expect(stdout.trim()).toBe('capabilities cancel');
  });

  it.each([
    ['an option', ['run', '--d'], '--detach'],
    ['the values of an option', ['runs', '--status', 'pa'], 'paused'],
    ['files where one is wanted', ['run', 'package.j'], 'package.json'],
    ['files for an option that takes one', ['facets', '--publish', 'package.j'], 'package.json'],
    ['no files elsewhere', ['watch', 'package.j'], ''],
    ['files for the commands of the launcher', ['restore', 'package.j'], 'package.json'],
  ])('completes %s', (_case, words, offered) => {
    const typed = `COMP_WORDS=(flex ${words.join(' ')}); COMP_CWORD=${words.length}; _flex; echo "\${COMPREPLY[*]}"`;
    const script = `${completionScript('bash', commands)}\n${typed}`;
    const cwd = fileURLToPath(new URL('../../../../', import.meta.url));
    expect(spawnSync('bash', ['-c', script], { encoding: 'utf8', cwd }).stdout.trim()).toBe(offered);
  });
});
