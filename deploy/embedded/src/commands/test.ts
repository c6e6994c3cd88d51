/**
 * `flex test [filter]`: types, lint, format, then unit, integration and e2e tests, each level in a jest run of its own, and
 * where a container engine is, the compose stack. The filter is a level (`lint`, `unit`, `compose` …) or a part of test
 * files' paths. The last line sums up, for scripts.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CHECKOUT, installed } from '../checkout.js';
import { INTERRUPTED, interruption } from '../interruption.js';

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

const STATIC_CHECKS: Record<string, string[]> = {
  types: [installed('typescript', 'bin', 'tsc'), '-b'],
  lint: [installed('oxlint', 'bin', 'oxlint'), '--quiet'],
  format: [installed('prettier', 'bin', 'prettier.cjs'), '--check', '.', '--log-level=warn', '--cache'],
};
const JEST_LEVELS = ['unit', 'int', 'e2e'];
const COMPOSE = 'compose';
const COMPOSE_SCRIPT = join(CHECKOUT, 'deploy/scripts/try-compose.sh');
const COMPOSE_LIMIT_MS = 15 * 60_000;

interface Outcome {
  code: number;
  output: string;
}

/** Runs a program, of this checkout under this Node if none is named. A quiet one's output is returned. */
function run(
  args: string[],
  quiet: boolean,
  interrupted: AbortSignal,
  env = process.env,
  program = process.execPath,
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const stdio = quiet ? 'pipe' : 'inherit';
    const child = spawn(program, args, { cwd: CHECKOUT, env, stdio: ['ignore', stdio, stdio] });
    let output = '';
    child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.stderr?.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const forward = () => child.kill('SIGTERM');
    interrupted.addEventListener('abort', forward, { once: true });
    child.once('error', reject);
    child.once('close', (code) => {
      interrupted.removeEventListener('abort', forward);
      resolve({ code: code ?? 1, output });
    });
  });
}

async function staticCheck(name: string, command: string[], interrupted: AbortSignal): Promise<Counts> {
  const begin = performance.now();
  const { code, output } = await run(command, true, interrupted);
  console.log(`${code === 0 ? 'ok  ' : 'FAIL'} ${name} (${((performance.now() - begin) / 1_000).toFixed(1)} s)`);
  if (code !== 0) console.log(output.trimEnd());
  return { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, skipped: 0 };
}

/** The images and the compose stack, in short. Without an engine that can do it, one line says why it was left out. */
async function composeCheck(interrupted: AbortSignal): Promise<Counts> {
  const begin = performance.now();
  const until = AbortSignal.any([interrupted, AbortSignal.timeout(COMPOSE_LIMIT_MS)]);
  const { code, output } = await run([COMPOSE_SCRIPT, '--short'], true, until, process.env, 'sh');
  const left = code === 0 ? /^try-compose: skipped, (.*)$/m.exec(output)?.[1] : undefined;
  const verdict = left === undefined ? (code === 0 ? 'ok  ' : 'FAIL') : 'skip';
  const seconds = ((performance.now() - begin) / 1_000).toFixed(1);
  console.log(`${verdict} ${COMPOSE} (${seconds} s)${left === undefined ? '' : `: ${left}`}`);
  if (code !== 0) console.log(output.trimEnd());
  return { passed: verdict === 'ok  ' ? 1 : 0, failed: code === 0 ? 0 : 1, skipped: left === undefined ? 0 : 1 };
}

/** Runs some of jest's projects. `must` says that finding no test at all is a failure. */
async function jest(
  levels: string[],
  pattern: string | undefined,
  must: boolean,
  interrupted: AbortSignal,
): Promise<Counts> {
  const folder = mkdtempSync(join(tmpdir(), 'flex-test-summary-'));
  const summary = join(folder, 'summary.json');
  try {
    const { code } = await run(
      [
        '--experimental-vm-modules',
        '--disable-warning=ExperimentalWarning',
        installed('jest', 'bin', 'jest.js'),
        '--selectProjects',
        ...levels,
        '--reporters=<rootDir>/deploy/embedded/jest/short-reporter.mjs',
        '--passWithNoTests',
        // A snapshot that is missing is a failure, not a new truth.
        '--ci',
        ...(pattern ? ['--testPathPatterns', pattern] : []),
      ],
      false,
      interrupted,
      { ...process.env, FLEX_TEST_SUMMARY: summary },
    );
    const counts = readCounts(summary);
    const found = counts && counts.passed + counts.failed + counts.skipped > 0;
    if (!found && must) console.log(`FAIL ${levels.join(', ')}: no test was found`);
    // jest may also fail outside any test, e.g. when the e2e stack doesn't come up.
    const unexplained = (!found && must) || !counts || (code !== 0 && counts.failed === 0);
    return { passed: 0, skipped: 0, ...counts, failed: (counts?.failed ?? 0) + (unexplained ? 1 : 0) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function readCounts(path: string): Counts | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Counts;
  } catch {
    return undefined;
  }
}

export async function main(argv: string[]): Promise<number> {
  const [filter] = argv;
  const interrupted = interruption();
  const begin = performance.now();
  const total: Counts = { passed: 0, failed: 0, skipped: 0 };
  const add = (counts: Counts) => {
    for (const key of ['passed', 'failed', 'skipped'] as const) total[key] += counts[key];
  };
  const isLevel = filter !== undefined && (filter in STATIC_CHECKS || [...JEST_LEVELS, COMPOSE].includes(filter));
  const wanted = Object.entries(STATIC_CHECKS).filter(([name]) => !filter || filter === name);
  // Each keeps one core busy, and none disturbs another.
  for (const counts of await Promise.all(wanted.map(([name, command]) => staticCheck(name, command, interrupted)))) {
    add(counts);
  }
  if (filter && !isLevel) {
    add(await jest(JEST_LEVELS, filter, true, interrupted));
  } else {
    for (const level of JEST_LEVELS) {
      if (interrupted.aborted) return INTERRUPTED;
      if (!filter || filter === level) add(await jest([level], undefined, true, interrupted));
    }
    if (!interrupted.aborted && (!filter || filter === COMPOSE)) add(await composeCheck(interrupted));
  }
  if (interrupted.aborted) return INTERRUPTED;
  const seconds = ((performance.now() - begin) / 1_000).toFixed(0);
  console.log(`in ${seconds} s${total.skipped > 0 ? `, ${total.skipped} skipped` : ''}`);
  console.log(`${total.passed} passed, ${total.failed} failed`);
  return total.failed === 0 ? 0 : 1;
}
