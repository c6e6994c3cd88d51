/** The shell half of the launcher, in a checkout of stand-ins: npm and tsc only leave marks, and take their time. */
import { spawn, type ChildProcess } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { CHECKOUT } from './checkout.js';
import { eventually } from './testing/launcher.js';

/** Installs a node_modules with a compiler; NPM_SECONDS is how long that takes. */
const NPM = `#!/bin/sh
echo install >>"$MARKS"
rm -rf "$2/node_modules"
mkdir -p "$2/node_modules/typescript/bin"
sleep "\${NPM_SECONDS:-0}" || exit 1
cp "$2/fake-tsc.js" "$2/node_modules/typescript/bin/tsc"
`;

/** "Compiles" the launcher's JavaScript half, which prints its arguments; fails when the source says so. */
const TSC = `
const { appendFileSync, mkdirSync, readFileSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');
appendFileSync(process.env.MARKS, 'build\\n');
if (readFileSync(join(__dirname, '../../../deploy/embedded/src/main.ts'), 'utf8').includes('broken')) process.exit(2);
const dist = join(__dirname, '../../../deploy/embedded/dist');
mkdirSync(dist, { recursive: true });
writeFileSync(join(dist, 'main.js'), 'console.log(process.argv.slice(2).join(" "), process.cwd())');
`;

describe('./flex', () => {
  let root: string;
  let env: NodeJS.ProcessEnv;

  const write = (path: string, text: string) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  const marks = (): string[] =>
    existsSync(join(root, 'marks')) ? readFileSync(join(root, 'marks'), 'utf8').trim().split('\n') : [];

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'flex-test-checkout-'));
    copyFileSync(join(CHECKOUT, 'flex'), join(root, 'flex'));
    write('package-lock.json', '{"lockfileVersion": 3}');
    write('tsconfig.build.json', '{}');
    write('apps/worker/src/main.ts', '');
    write('libs/events/src/index.ts', '');
    write('e2e/index.ts', '');
    write('deploy/embedded/src/main.ts', '');
    write('fake-tsc.js', TSC);
    write('bin/npm', NPM);
    chmodSync(join(root, 'bin/npm'), 0o755);
    env = { PATH: `${join(root, 'bin')}:${dirname(process.execPath)}:${process.env.PATH}`, MARKS: join(root, 'marks') };
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  interface Running {
    child: ChildProcess;
    ended: Promise<{ code: number | null; stdout: string; stderr: string }>;
  }
  const begin = (args: string[], extra: NodeJS.ProcessEnv = {}, cwd = root, script = join(root, 'flex')): Running => {
    // As a terminal does: a group of its own, all of which gets the Ctrl-C.
    const child = spawn(script, args, { env: { ...env, ...extra }, cwd, detached: true });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    return { child, ended: new Promise((resolve) => child.once('close', (code) => resolve({ code, stdout, stderr }))) };
  };
  const flex = (...args: string[]) => begin(args).ended;

  it('installs and builds once, then hands over with nothing else on stdout', async () => {
    expect(await flex('status', '--json')).toMatchObject({ code: 0, stdout: `status --json ${root}\n` });
    expect(await flex('status')).toMatchObject({ code: 0, stdout: `status ${root}\n`, stderr: '' });
    expect(marks()).toEqual(['install', 'build']);
  });

  it('works through a link and from any folder, and commands keep the caller’s folder', async () => {
    symlinkSync('../flex', join(root, 'bin/link'));
    const { stdout } = await begin(['run'], {}, tmpdir(), join(root, 'bin/link')).ended;
    expect(stdout).toBe(`run ${tmpdir()}\n`);
  });

  it('installs again when the lock file has changed, and builds again when a source is newer', async () => {
    await flex();
    write('package-lock.json', '{"lockfileVersion": 3, "packages": {}}');
    await flex();
    expect(marks()).toEqual(['install', 'build', 'install', 'build']);
    write('libs/events/src/index.ts', 'export {};');
    const later = new Date(Date.now() + 5_000);
    utimesSync(join(root, 'libs/events/src/index.ts'), later, later);
    await flex();
    expect(marks().slice(4)).toEqual(['build']);
  });

  it('installs once when two begin at the same time', async () => {
    const slow = { NPM_SECONDS: '1' };
    const results = await Promise.all([begin(['a'], slow).ended, begin(['b'], slow).ended]);
    expect(results.map(({ code }) => code)).toEqual([0, 0]);
    expect(marks()).toEqual(['install', 'build']);
    expect(results.map(({ stderr }) => stderr).join('')).toContain('waiting for another flex');
  });

  it.each([
    ['the terminal’s Ctrl-C', (pid: number) => process.kill(-pid, 'SIGINT')],
    ['a kill of the script alone', (pid: number) => process.kill(pid, 'SIGTERM')],
  ])('ends at once on %s while it installs, and begins afresh the next time', async (_how, kill) => {
    const { child, ended } = begin(['up'], { NPM_SECONDS: '30' });
    await eventually('it installs', () => marks().includes('install'));
    const asked = performance.now();
    kill(child.pid as number);
    expect((await ended).code).toBe(130);
    expect(performance.now() - asked).toBeLessThan(3_000);
    expect(existsSync(join(root, '.flex-lock'))).toBe(false);
    expect(await flex('up')).toMatchObject({ code: 0 });
    expect(marks()).toEqual(['install', 'install', 'build']);
  });

  it('isn’t held up by the lock of one that was killed', async () => {
    const { child, ended } = begin(['up'], { NPM_SECONDS: '30' });
    await eventually('it holds the lock', () => existsSync(join(root, '.flex-lock/pid')) && marks().length > 0);
    process.kill(-(child.pid as number), 'SIGKILL');
    await ended;
    expect(existsSync(join(root, '.flex-lock'))).toBe(true);
    expect(await flex('up')).toMatchObject({ code: 0 });
  });

  it('says when the build fails, and lets the tests say it too', async () => {
    await flex();
    const later = new Date(Date.now() + 5_000);
    write('deploy/embedded/src/main.ts', 'broken');
    utimesSync(join(root, 'deploy/embedded/src/main.ts'), later, later);
    expect(await flex('up')).toMatchObject({ code: 1, stdout: '', stderr: 'flex: the build failed\n' });
    expect(await flex('test')).toMatchObject({ code: 0, stdout: `test ${root}\n` });
    expect(existsSync(join(root, '.flex-lock'))).toBe(false);
  });

  it('runs commands with its own Node and tools, without a build', async () => {
    const { stdout } = await flex('exec', 'node', '-p', 'process.versions.node.split(".")[0] >= 22');
    expect(stdout).toBe('true\n');
    expect(marks()).toEqual(['install']);
  });
});
