import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { example, target } from './harness/target.js';

const checkout = fileURLToPath(new URL('..', import.meta.url));

interface Block {
  file: string;
  line: number;
  commands: string;
  /** Why it is not run here. */
  notRun?: string;
}

/** The shell blocks of a document; a comment before one says what it needs, or why it is not run. */
function blocksOf(file: string): Block[] {
  const text = readFileSync(join(checkout, file), 'utf8');
  const pattern = /(?:<!-- (not run: [^>]*?|uses: [^>]*?) -->\n\n)?```sh\n([\s\S]*?)```/g;
  return [...text.matchAll(pattern)].map(([whole, mark, commands], index, all) => ({
    file,
    line: text.slice(0, all[index]!.index + whole.indexOf('```')).split('\n').length,
    // A test run inside a test run would never end.
    commands: commands!
      .split('\n')
      .filter((line) => line.trim() !== './flex test')
      .join('\n'),
    notRun: mark?.startsWith('not run: ') ? mark.slice('not run: '.length) : undefined,
  }));
}

const blocks = ['README.md', 'CONTRIBUTING.md'].flatMap(blocksOf);
const wanted = blocks.filter((block) => block.notRun === undefined && block.commands.trim() !== '');

/** Runs as a newcomer would paste it: in the checkout, one shell per block. */
function paste(commands: string, cwd: string, env: NodeJS.ProcessEnv): Promise<{ code: number; text: string }> {
  return new Promise((resolve) => {
    execFile(
      'bash',
      ['-e', '-o', 'pipefail', '-c', commands],
      { cwd, env, timeout: 110_000, maxBuffer: 1 << 26 },
      (error, stdout, stderr) => {
        resolve({ code: error ? Number(error.code ?? 1) : 0, text: `${stdout}${stderr}` });
      },
    );
  });
}

describe('commands in the documents', () => {
  const http = target.http();
  let folder: string;
  let env: NodeJS.ProcessEnv;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'flex-docs-'));
    symlinkSync(join(checkout, 'node_modules'), join(folder, 'node_modules'));
    const run = await http.submit(example('linkedin-variants'));
    await http.follow(run).completed();
    env = { ...process.env, FLEX_URL: http.url, RUN: run };
  }, 60_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('has blocks in each document, and a reason for each that is not run', () => {
    for (const file of ['README.md', 'CONTRIBUTING.md']) expect(blocks.some((block) => block.file === file)).toBe(true);
    for (const block of blocks) if (block.notRun !== undefined) expect(block.notRun.length).toBeGreaterThan(10);
  });

  it('has an agent in CONTRIBUTING that works as pasted', async () => {
    const [, code] = /```ts\n([\s\S]*?)```/.exec(readFileSync(join(checkout, 'CONTRIBUTING.md'), 'utf8'))!;
    writeFileSync(join(folder, 'shout.ts'), code!);
    const agent = execFile(join(checkout, 'flex'), ['exec', 'node', 'shout.ts'], {
      cwd: folder,
      env: { ...process.env, NATS_URL: target.natsUrl() },
    });
    try {
      const active = async () => {
        const { body } = await http.send<{ status?: unknown }>('GET', '/api/v1/flex/capabilities/demo.shout');
        return body.status === 'active';
      };
      for (let i = 0; i < 600 && agent.exitCode === null && !(await active()); i++) await delay(100);
      const frames = await http
        .stream({
          objective: 'Shout',
          inputs: { quietText: 'hello' },
          outputContract: { mode: 'facets', facets: ['loudText'] },
        })
        .completed();
      expect(frames.at(-1)!.payload).toMatchObject({ status: 'completed', output: { loudText: 'HELLO' } });
    } finally {
      const ended = new Promise((resolve) => agent.once('exit', resolve));
      agent.kill('SIGTERM');
      await ended;
    }
  });

  it.each(wanted.map((block) => [`${block.file}:${block.line}`, block] as const))(
    '%s works as pasted',
    async (_place, block) => {
      const { code, text } = await paste(block.commands, checkout, env);
      if (code !== 0) throw new Error(`exit code ${code}:\n${block.commands}\n${text}`);
      expect(text).not.toMatch(/^\s+at .*\.js:\d+/m);
    },
    120_000,
  );
});
