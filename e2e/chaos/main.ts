import { execFile, fork, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createFlex, type Flex } from '@flex/client';
import { ensureStack } from '@flex/embedded';
import { chaosEnvelope } from './envelopes.js';
import { fault } from './faults.js';
import { judge } from './judge.js';
import { Random } from './random.js';

const USAGE = 'usage: flex chaos [--seed n] [--runs n] [--kills n] [--json]';
/** After the last fault every run has to end within this. */
const PATIENCE_MS = 180_000;
const MAIN = fileURLToPath(new URL('../../../deploy/embedded/dist/main.js', import.meta.url));

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

/**
 * `flex chaos`: many mixed runs on a stack of its own while its processes are killed and paused and messages repeated;
 * then holds what is left against every promise. The seed decides envelopes and faults; time decides where they meet.
 */
export async function main(argv: string[], env: NodeJS.ProcessEnv): Promise<number> {
  let options;
  try {
    options = parseArgs({
      args: argv,
      options: {
        seed: { type: 'string', default: '1' },
        runs: { type: 'string', default: '40' },
        kills: { type: 'string', default: '12' },
        json: { type: 'boolean' },
      },
    }).values;
  } catch (error) {
    process.stderr.write(`flex chaos: ${(error as Error).message}\n${USAGE}\n`);
    return 2;
  }
  const [seed, runs, kills] = [Number(options.seed), Number(options.runs), Number(options.kills)];
  if (![seed, runs, kills].every(Number.isSafeInteger)) {
    process.stderr.write(`${USAGE}\n`);
    return 2;
  }
  const say = (line: string) => options.json || process.stderr.write(`${line}\n`);
  const home = mkdtempSync(join(tmpdir(), 'flex-chaos-'));
  const stack = await ensureStack({
    env: {
      ...env,
      FLEX_HOME: home,
      FLEX_PORT: undefined,
      NATS_URL: undefined,
      DATABASE_URL: undefined,
      FLEX_LEASE_MS: '3000',
      FLEX_SNAPSHOT_MS: '1000',
    },
    without: ['worker'],
    scale: { orchestrator: 2, policy: 2 },
    lifetime: 'attached',
  });
  const file = join(home, 'effects');
  let clean = false;
  const workers = new Workers(stack.natsUrl, file);
  try {
    await workers.start();
    const flex = createFlex({ url: stack.url });
    const random = new Random(seed);
    const seen = new Map<string, string[]>();
    const ended: Promise<void>[] = [];
    const answering = new AbortController();
    const answers = answerTasks(flex, new Random(seed + 1), answering.signal);
    const submitted = (async () => {
      for (let i = 0; i < runs; i++) {
        ended.push(follow(flex, chaosEnvelope(random), seen));
        await delay(50);
      }
    })();
    const faults = new Random(seed + 2);
    for (let i = 0; i < kills; i++) {
      await delay(500 + faults.below(2_000));
      say(`${i + 1}/${kills}  ${await fault(faults, home, stack.natsUrl, () => workers.kill())}`);
    }
    await submitted;
    say('quiet; waiting for every run to end');
    const inTime = await Promise.race([Promise.all(ended).then(() => true), delay(PATIENCE_MS, false)]);
    answering.abort();
    await answers;
    // The last blow may have been the gateway's, after the last run had ended.
    await reachable(flex);
    const effects = effectsIn(file);
    const violations = inTime
      ? []
      : [
          `${runs - [...seen.values()].filter((ids) => ids.at(-1) === 'end').length} runs did not end within ${PATIENCE_MS / 1000} s`,
        ];
    for (const [runId, ids] of seen) {
      if (ids.at(-1) !== 'end') continue;
      violations.push(...(await judge(flex, runId, ids.slice(0, -1), effects)));
      const verified = await run(['verify', runId], { ...env, FLEX_HOME: home, FLEX_URL: stack.url });
      if (verified !== '') violations.push(`${runId}: ${verified}`);
    }
    const again = [...effects.values()].filter((count) => count > 1).length;
    const report = {
      seed,
      runs,
      kills,
      ended: [...seen.values()].filter((ids) => ids.at(-1) === 'end').length,
      effects: effects.size,
      repeatedCalls: again,
      violations: violations.length,
    };
    process.stdout.write(
      options.json
        ? `${JSON.stringify({ ...report, found: violations })}\n`
        : `${Object.entries(report)
            .map(([name, value]) => `${name} ${value}`)
            .join(', ')}\n${violations.map((line) => `  ${line}\n`).join('')}`,
    );
    say(`reproduce: ./flex chaos --seed ${seed} --runs ${runs} --kills ${kills}`);
    clean = violations.length === 0;
    return clean ? 0 : 1;
  } finally {
    workers.stop();
    await stack.stop();
    // What went wrong can be read in the logs.
    if (clean) rmSync(home, { recursive: true, force: true });
    else say(`logs: ${home}`);
  }
}

/** Runs a command of the launcher; what it said when it failed, nothing when it did not. */
const run = (argv: string[], env: NodeJS.ProcessEnv): Promise<string> =>
  new Promise((resolve) => {
    execFile(process.execPath, [MAIN, ...argv], { env }, (error, stdout, stderr) =>
      resolve(error ? `${stdout}${stderr}`.trim() || error.message : ''),
    );
  });

/** Two processes of counting agents; one that is killed is replaced. */
class Workers {
  readonly #children = new Set<ChildProcess>();
  #stopped = false;

  constructor(
    private readonly natsUrl: string,
    private readonly file: string,
  ) {}

  async start(): Promise<void> {
    await Promise.all([this.#spawn(), this.#spawn()]);
  }

  kill(): void {
    for (const child of this.#children) {
      child.kill('SIGKILL');
      return;
    }
  }

  stop(): void {
    this.#stopped = true;
    for (const child of this.#children) child.kill('SIGKILL');
  }

  #spawn(): Promise<void> {
    const child = fork(fileURLToPath(new URL('./counter-worker.js', import.meta.url)), [this.natsUrl, this.file], {
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    this.#children.add(child);
    child.once('exit', () => {
      this.#children.delete(child);
      if (!this.#stopped) void this.#spawn();
    });
    return new Promise((resolve) => child.once('message', () => resolve()));
  }
}

/** Submits and reads to the end, through whatever happens to the gateway; `end` closes the list of frame ids. */
async function follow(
  flex: Flex,
  envelope: Parameters<Flex['runs']['stream']>[0],
  seen: Map<string, string[]>,
): Promise<void> {
  let ids: string[] | undefined;
  for await (const frame of flex.runs.stream(envelope)) {
    if (!ids) seen.set(frame.runId, (ids = []));
    ids.push(frame.id);
  }
  ids?.push('end');
}

/** Answers whatever people are asked, until told to stop. */
async function answerTasks(flex: Flex, random: Random, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await delay(400);
    try {
      for (const task of (await flex.tasks.list({ status: 'open' })).items) {
        const output =
          task.kind === 'output'
            ? { resolution: 'output' as const, output: { chaosCount: random.below(90) } }
            : { resolution: 'approve' as const };
        await flex.tasks.resolve(task.taskId, output).catch(() => undefined);
      }
    } catch {
      // The gateway is being killed; the next round asks again.
    }
  }
}

function effectsIn(file: string): Map<string, number> {
  const effects = new Map<string, number>();
  if (existsSync(file))
    for (const key of readFileSync(file, 'utf8').split('\n')) if (key) effects.set(key, (effects.get(key) ?? 0) + 1);
  return effects;
}
