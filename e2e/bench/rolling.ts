import { execFile, spawn } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs, promisify } from 'node:util';
import { createFlex, type Flex } from '@flex/client';
import { CHECKOUT, readState, SERVICES, signal, type ProcessRecord } from '@flex/embedded';
import { Balancer } from './balancer.js';
import { BenchWorkers, benchStack, type BenchStack } from './bench-stack.js';
import { handoverOf, readClaims } from './handovers.js';
import { Load, violationsOf, type EndedRun } from './load.js';
import { benchWorkerOf, Releases } from './releases.js';
import { percentile, round, table } from './statistics.js';
import { WaitingRuns } from './waiting-runs.js';

const USAGE = `usage: flex bench rolling [--services a,b] [--clients n] [--seconds n] [--json]
       flex bench rolling [--from <release>] [--to <release>] …
       flex bench rolling --against <gateway> [--clients n] [--seconds n] [--json] -- <command …>

Replaces every replica of every service, one after the other, while clients submit runs and read them to their end; then
holds each run against its history. By itself on a stack of its own with two replicas of each service; with --against on
the stack behind that gateway (and NATS_URL, for the workers of the bench), while the command replaces what it likes.

With --from, --to or both it is an upgrade: the replicas are those of one release and their successors those of another,
readers before writers. A release is a checkout that was built; this one, where it is not named. Some runs wait for a
person meanwhile, and read models and snapshots are made again at the end and compared.
`;

/** Readers before writers: see docs/operations.md. */
const ALL = ['registry', 'policy', 'gateway', 'orchestrator', 'planner', 'worker'];
const REPLICAS = 2;
const REPLACED_WITHIN_MS = 60_000;
const WAITING = 3;

interface Options {
  services: string[];
  clients: number;
  seconds: number;
  upgrade?: Upgrade;
}

/** Two releases, as folders. */
interface Upgrade {
  from: string;
  to: string;
}

interface Roll {
  /** Of the replacing, milliseconds since the epoch. */
  from: number;
  to: number;
  /** Unknown where a command of the caller's did it. */
  replaced?: number;
  stops: { owner: string; at: number }[];
}

/** `flex bench rolling`: 0 when nothing was lost. */
export async function main(argv: string[], env: NodeJS.ProcessEnv): Promise<number> {
  const split = argv.indexOf('--');
  const command = split === -1 ? [] : argv.slice(split + 1);
  let values;
  try {
    values = parseArgs({
      args: split === -1 ? argv : argv.slice(0, split),
      options: {
        services: { type: 'string', default: ALL.join() },
        clients: { type: 'string', default: '8' },
        seconds: { type: 'string', default: '5' },
        against: { type: 'string' },
        from: { type: 'string' },
        to: { type: 'string' },
        json: { type: 'boolean' },
        help: { type: 'boolean' },
      },
    }).values;
  } catch (error) {
    process.stderr.write(`flex bench rolling: ${(error as Error).message}\n${USAGE}`);
    return 2;
  }
  const options = {
    services: values.services.split(','),
    clients: Number(values.clients),
    seconds: Number(values.seconds),
    upgrade: values.from || values.to ? { from: values.from ?? CHECKOUT, to: values.to ?? CHECKOUT } : undefined,
  };
  const wrong =
    options.services.some((name) => !ALL.includes(name)) || !(options.clients > 0) || !(options.seconds > 0);
  const both = values.against !== undefined && options.upgrade !== undefined;
  if (values.help || wrong || both || (values.against !== undefined) !== command.length > 0) {
    process.stderr.write(USAGE);
    return values.help ? 0 : 2;
  }
  const { row, violations } = values.against
    ? await rollAgainst(values.against, command, options, env)
    : await rollOwn(options, env);
  process.stdout.write(
    values.json
      ? `${JSON.stringify({ ...row, found: violations })}\n`
      : `${table([row])}\n${violations.map((line) => `  ${line}\n`).join('')}`,
  );
  return violations.length === 0 ? 0 : 1;
}

interface Outcome {
  row: Record<string, unknown>;
  violations: string[];
}

async function rollOwn(options: Options, env: NodeJS.ProcessEnv): Promise<Outcome> {
  const { upgrade } = options;
  const releases = upgrade && new Releases();
  if (upgrade) for (const service of SERVICES) releases!.use(service, upgrade.from);
  const replicated = options.services.filter((name) => name !== 'worker');
  const stack = await benchStack(
    {
      sync: 'always',
      scale: Object.fromEntries(replicated.map((name) => [name, REPLICAS])),
      workers: REPLICAS,
      workerProgram: upgrade && benchWorkerOf(upgrade.from),
      settings: { FLEX_SERVICE_ENTRY: releases?.entry },
    },
    env,
  );
  const balancer = await Balancer.start(() => replicasOf(stack, 'gateway').map(({ port }) => port));
  try {
    const flex = createFlex({ url: balancer.url });
    const waiting = upgrade && (await WaitingRuns.begin(flex, WAITING, 'upgrade'));
    const replace = (): Promise<Roll> =>
      replaceAll(stack, options.services, (service) => {
        if (upgrade && service === 'worker') stack.workers.use(benchWorkerOf(upgrade.to));
        else if (upgrade) releases!.use(service, upgrade.to);
      });
    const { outcome, roll } = await measure(flex, replace, options);
    if (waiting) outcome.violations.push(...(await waiting.end()), ...(await rebuilt(stack, env)));
    const claims = await readClaims(stack.natsUrl);
    const handovers = roll.stops.map(({ owner, at }) => handoverOf(claims, owner, at));
    if (handovers.length > 0) {
      outcome.row['partitionsMoved'] = handovers.reduce((sum, { partitions }) => sum + partitions, 0);
      outcome.row['takenOverMs'] = Math.max(...handovers.map(({ takenOverMs }) => takenOverMs));
      // NaN: some partition was claimed by nobody.
      if (!(Number(outcome.row['takenOverMs']) < REPLACED_WITHIN_MS))
        outcome.violations.push('a partition of a replaced orchestrator was not taken over');
    }
    outcome.row['violations'] = outcome.violations.length;
    return outcome;
  } finally {
    balancer.stop();
    await stack.stop();
    releases?.remove();
  }
}

const replicasOf = (stack: BenchStack, service: string): ProcessRecord[] =>
  (readState(stack.home)?.processes ?? []).filter((record) => record.service === service);

/** One replica after the other; `before` is told of each service before its first. */
async function replaceAll(stack: BenchStack, services: string[], before: (service: string) => void): Promise<Roll> {
  const roll = { from: Date.now(), to: 0, replaced: 0, stops: [] as Roll['stops'] };
  for (const service of services) {
    before(service);
    if (service === 'worker') {
      for (let n = 0; n < REPLICAS; n++) await stack.workers.replaceOldest();
      roll.replaced += REPLICAS;
      continue;
    }
    for (const record of replicasOf(stack, service)) {
      // An embedded replica is named by its service and number.
      if (service === 'orchestrator') roll.stops.push({ owner: record.name, at: Date.now() });
      signal(record, 'SIGTERM');
      await replaced(record, () => replicasOf(stack, service));
      roll.replaced++;
    }
  }
  return { ...roll, to: Date.now() };
}

/** `flex rebuild` on the stack: which rows the code of now would not have written. */
async function rebuilt(stack: BenchStack, env: NodeJS.ProcessEnv): Promise<string[]> {
  const { natsUrl: NATS_URL, databaseUrl: DATABASE_URL } = stack;
  const launcher = join(CHECKOUT, 'deploy/embedded/dist/main.js');
  const run = promisify(execFile);
  const { stdout } = await run(process.execPath, [launcher, 'rebuild', '--json'], {
    env: { ...env, NATS_URL, DATABASE_URL },
  }).catch((error: { stdout?: string; stderr?: string }) => {
    if (error.stdout) return { stdout: error.stdout };
    throw new Error(`flex rebuild: ${error.stderr}`);
  });
  return (JSON.parse(stdout) as { differing: string[] }).differing;
}

async function rollAgainst(url: string, command: string[], options: Options, env: NodeJS.ProcessEnv): Promise<Outcome> {
  const workers = new BenchWorkers(env['NATS_URL'] ?? 'nats://127.0.0.1:4222');
  await workers.scaleTo(REPLICAS);
  try {
    const replace = async (): Promise<Roll> => {
      const from = Date.now();
      const code = await new Promise<number | null>((resolve, reject) => {
        const child = spawn(command[0]!, command.slice(1), { stdio: ['ignore', 'inherit', 'inherit'], env });
        child.once('error', reject);
        child.once('exit', resolve);
      });
      if (code !== 0) throw new Error(`${command[0]} ended with ${code}`);
      return { from, to: Date.now(), stops: [] };
    };
    return (await measure(createFlex({ url, apiKey: env['FLEX_API_KEY'] }), replace, options)).outcome;
  } finally {
    await workers.scaleTo(0);
  }
}

/** Load before, during and after the replacing. */
async function measure(
  flex: Flex,
  replace: () => Promise<Roll>,
  { clients, seconds }: Options,
): Promise<{ outcome: Outcome; roll: Roll }> {
  const label = `roll-${process.pid}-${Date.now()}`;
  // What runs for the first time compiles; that is no part of either phase.
  const warm = new Load(flex, clients, `${label}-warm`);
  await delay(1_000);
  await warm.stop();
  const load = new Load(flex, clients, label);
  await delay(seconds * 1000);
  const roll = await replace();
  await delay(seconds * 1000);
  await load.stop();
  const violations = await violationsOf(flex, load.runs, label);
  const before = load.runs.filter(({ began, ms }) => began + ms < roll.from);
  const during = load.runs.filter(({ began, ms }) => began + ms >= roll.from && began < roll.to);
  const ms = (runs: EndedRun[], share: number): number =>
    round(
      percentile(
        runs.map((run) => run.ms),
        share,
      ),
      0,
    );
  const row = {
    bench: 'rolling',
    ...(roll.replaced === undefined ? {} : { replaced: roll.replaced }),
    seconds: round((roll.to - roll.from) / 1000),
    runs: load.runs.length,
    reconnects: load.reconnects,
    violations: violations.length,
    p50BeforeMs: ms(before, 0.5),
    p99BeforeMs: ms(before, 0.99),
    p50DuringMs: ms(during, 0.5),
    p99DuringMs: ms(during, 0.99),
    longestMs: ms(during, 1),
  };
  return { outcome: { row, violations }, roll };
}

/** Resolves when a new process has taken the replica's place and is ready. */
async function replaced(old: ProcessRecord, records: () => ProcessRecord[]): Promise<void> {
  for (const deadline = performance.now() + REPLACED_WITHIN_MS; ;) {
    const now = records().find(({ name }) => name === old.name);
    if (now?.ready && now.pid !== old.pid) return;
    if (performance.now() > deadline) throw new Error(`${old.name} did not come back`);
    await delay(50);
  }
}
