import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createFlex, type Flex } from '@flex/client';
import { ensureStack, type RunningStack } from '@flex/embedded';
import { freePorts, startNats, TcpProxy } from '@flex/embedded/testing';
import { Random } from '@flex/orchestrator/random';
import { answerTasks, follow, type Seen } from './clients.js';
import { chaosEnvelope, waitingEnvelope } from './envelopes.js';
import { Faults, type Site } from './faults.js';
import { judge } from './judge.js';
import { Workers } from './workers.js';

const USAGE = `usage: flex chaos [--seed n] [--runs n] [--kills n] [--json]

Lets many mixed runs go on a stack of its own while its processes are killed and paused and its network delays, breaks and
repeats; then holds what is left against every promise, and prints what broke with the command that does it again.

  --seed n    decides envelopes and faults; time decides where they meet (1)
  --runs n    runs to begin (40)
  --kills n   faults (20)
  --json      one JSON line on stdout; what happens is said on stderr all the same

A few minutes with the defaults. Exit code 0 when every promise held, 1 otherwise.
`;
/** After the last fault every run has to end, or to wait for its person, within this. */
const PATIENCE_MS = 180_000;
/** Every so many runs one waits for a person until all faults are over. */
const WAITING_EVERY = 6;
const LAUNCHER = fileURLToPath(new URL('../../../deploy/embedded/dist/main.js', import.meta.url));

interface Options {
  seed: number;
  runs: number;
  kills: number;
  json: boolean;
}

function optionsOf(argv: string[]): Options | string | undefined {
  try {
    const { values } = parseArgs({
      args: argv,
      options: {
        seed: { type: 'string', default: '1' },
        runs: { type: 'string', default: '40' },
        kills: { type: 'string', default: '20' },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h' },
      },
    });
    if (values.help) return undefined;
    const [seed, runs, kills] = [Number(values.seed), Number(values.runs), Number(values.kills)];
    return [seed, runs, kills].every(Number.isSafeInteger)
      ? { seed, runs, kills, json: values.json }
      : 'numbers are needed';
  } catch (error) {
    return (error as Error).message;
  }
}

/**
 * `flex chaos`: many mixed runs on a stack of its own while its processes are killed and paused and its network delays,
 * breaks and repeats; then holds what is left against every promise. The seed decides envelopes and faults; time decides
 * where they meet.
 */
export async function main(argv: string[], env: NodeJS.ProcessEnv): Promise<number> {
  const options = optionsOf(argv);
  if (options === undefined) {
    process.stdout.write(USAGE);
    return 0;
  }
  if (typeof options === 'string') {
    process.stderr.write(`flex chaos: ${options}\n${USAGE}\n`);
    return 2;
  }
  const begun = performance.now();
  const say = (line: string) =>
    process.stderr.write(`${((performance.now() - begun) / 1000).toFixed(1).padStart(6)} s  ${line}\n`);
  const home = mkdtempSync(join(tmpdir(), 'flex-chaos-'));
  const nats = await startNats({ sync: 'always' });
  const network = await TcpProxy.start(nats.port);
  // Not the usual ones: while our process is dead, another stack of this machine might take them.
  const [port, postgresPort] = await freePorts(2);
  const natsUrl = `nats://127.0.0.1:${network.port}`;
  const workers = new Workers(natsUrl, join(home, 'effects'));
  let stack: RunningStack | undefined;
  let violations: string[] = ['it broke off'];
  try {
    stack = await ensureStack({
      env: {
        ...env,
        FLEX_HOME: home,
        FLEX_PORT: String(port),
        FLEX_PG_PORT: String(postgresPort),
        NATS_URL: natsUrl,
        DATABASE_URL: undefined,
        FLEX_LEASE_MS: '3000',
        FLEX_SNAPSHOT_MS: '1000',
        FLEX_RUN_MEMORY_MIB: '0',
      },
      without: ['worker'],
      scale: { orchestrator: 2, policy: 2 },
      lifetime: 'attached',
    });
    await workers.start();
    say('everything is up');
    const report = await wreak(options, stack, { home, nats, network, workers }, say);
    violations = report.found;
    process.stdout.write(options.json ? `${JSON.stringify(report)}\n` : told(report));
    say(`reproduce: ./flex chaos --seed ${options.seed} --runs ${options.runs} --kills ${options.kills}`);
    return violations.length === 0 ? 0 : 1;
  } finally {
    say('taking everything down');
    workers.stop();
    await stack?.stop();
    await network.stop();
    await nats.stop();
    // What went wrong can be read in the logs.
    if (violations.length === 0) rmSync(home, { recursive: true, force: true });
    else say(`logs and histories: ${home}`);
  }
}

interface Report {
  [name: string]: number | string[];
  found: string[];
}

const told = ({ found, ...counts }: Report): string =>
  `${Object.entries(counts)
    .map(([name, value]) => `${name} ${String(value)}`)
    .join(', ')}\n${found.map((line) => `  ${line}\n`).join('')}`;

async function wreak(
  { seed, runs, kills }: Options,
  stack: RunningStack,
  site: Site,
  say: (line: string) => void,
): Promise<Report> {
  const flex = createFlex({ url: stack.url });
  const clients: Seen[] = [];
  const theEnd = new AbortController();
  let isTheEnd = false;
  let moved: () => void = () => undefined;
  const streams: Promise<void>[] = [];
  const answers = answerTasks(flex, new Random(seed + 1), () => isTheEnd, theEnd.signal);
  const submitting = (async () => {
    const random = new Random(seed);
    for (let i = 0; i < runs; i++) {
      const envelope = i % WAITING_EVERY === 1 ? waitingEnvelope() : chaosEnvelope(random);
      const seen: Seen = { envelope, frames: [], ended: false, waiting: false };
      clients.push(seen);
      streams.push(follow(flex, seen, () => moved(), theEnd.signal));
      await delay(50);
    }
  })();
  const faults = new Faults(new Random(seed + 2), site);
  for (let i = 0; i < kills; i++) {
    await delay(300 + new Random(seed * 1000 + i).below(1_200));
    say(`${i + 1}/${kills}  ${await faults.next()}`);
  }
  await Promise.all([submitting, faults.over()]);
  say('quiet; waiting until every run has ended or waits for its person');
  const all = async (is: (seen: Seen) => boolean): Promise<boolean> => {
    const deadline = performance.now() + PATIENCE_MS;
    while (!clients.every(is) && performance.now() < deadline)
      await Promise.race([new Promise<void>((resolve) => (moved = resolve)), delay(1_000)]);
    return clients.every(is);
  };
  const stuck = (when: string): string[] =>
    clients
      .filter((seen) => !seen.ended && !(seen.waiting && !isTheEnd))
      .map((seen) => `${seen.runId ?? 'a run'}: did not come to its end within ${PATIENCE_MS / 1000} s ${when}`);

  const violations: string[] = [];
  if (!(await all((seen) => seen.ended || seen.waiting))) violations.push(...stuck('after the last fault'));
  // The last blow may have been the gateway's, after the last run had ended.
  await reachable(flex);
  const waiting = clients.filter((seen) => seen.waiting && !seen.ended).length;
  say('making snapshots and read models again from the log');
  violations.push(...(await rebuilt(site.home, stack.url, site.nats.url)));
  isTheEnd = true;
  if (violations.length === 0 && !(await all((seen) => seen.ended)))
    violations.push(...stuck('after the read models and snapshots were made again'));
  theEnd.abort();
  await Promise.all([answers, ...streams]);
  say('judging');
  const effects = site.workers.effects();
  for (const seen of clients) if (seen.ended) violations.push(...(await judge(flex, seen, effects, site.home)));
  return {
    seed,
    runs,
    kills,
    ended: clients.filter((seen) => seen.ended).length,
    waited: waiting,
    effects: effects.size,
    repeatedCalls: [...effects.values()].filter((count) => count > 1).length,
    violations: violations.length,
    found: violations,
  };
}

/** Resolves when the gateway answers again. */
async function reachable(flex: Flex): Promise<void> {
  for (const deadline = performance.now() + PATIENCE_MS; ;) {
    try {
      await flex.runs.list({ limit: 1 });
      return;
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await delay(100);
    }
  }
}

/** Snapshots and read models that crashes had a hand in, against what the log alone makes of them. */
const rebuilt = (home: string, url: string, natsUrl: string): Promise<string[]> =>
  new Promise((resolve) => {
    const env = { ...process.env, FLEX_HOME: home, FLEX_URL: url, NATS_URL: natsUrl, DATABASE_URL: undefined };
    execFile(
      process.execPath,
      [LAUNCHER, 'rebuild', '--json'],
      { env, timeout: PATIENCE_MS },
      (error, stdout, stderr) => {
        try {
          const { differing, compared } = JSON.parse(stdout) as { differing: string[]; compared: number };
          resolve(compared > 0 ? differing : ['nothing was left to compare']);
        } catch {
          resolve([`rebuild: ${`${stdout}${stderr}`.trim() || error?.message}`]);
        }
      },
    );
  });
