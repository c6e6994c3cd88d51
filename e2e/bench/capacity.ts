import { setTimeout as delay } from 'node:timers/promises';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { sql } from 'kysely';
import { readState } from '@flex/embedded';
import { connectPostgres } from '@flex/events/postgres';
import { natsAccess } from '../harness/nats-access.js';
import { benchStack, chainOf, envelopeOf, streamRun, type BenchStack } from './bench-stack.js';
import { cpuSecondsOf } from './process-cpu.js';
import { inParallel, round } from './statistics.js';

const AT_ONCE = 16;
const RUNS = 600;
const WARM_UP = 300;
const IDLE_MS = 10_000;

/** What differs between two of them is what a step costs, or a plan. */
const WORKLOADS: Record<string, string> = {
  'own plan, 1 step': envelopeOf(chainOf(1)),
  'own plan, 11 steps': envelopeOf(chainOf(11)),
  'planned, 1 step': JSON.stringify({
    objective: 'bench',
    outputContract: { mode: 'facets', facets: ['benchTick'] },
    policies: { planner: { selection: { forbid: ['bench.gate', 'bench.sleep', 'bench.limited'] } } },
  }),
};

/**
 * The constants of capacity planning: what one run puts into the log and the database, and how much CPU it costs in each
 * process. CPU time, unlike throughput, hardly depends on what else the machine does. Until a run is archived it is not done.
 */
export async function benchCapacity(env: NodeJS.ProcessEnv): Promise<Record<string, unknown>[]> {
  const stack = await benchStack({ sync: 'default', workers: 1 }, env);
  try {
    const rows: Record<string, unknown>[] = [];
    // Before any run: afterwards there are snapshots to write and garbage to collect, which are what runs cost.
    await delay(IDLE_MS / 2);
    const idle = await used(stack, () => delay(IDLE_MS));
    for (const [workload, body] of Object.entries(WORKLOADS)) {
      await runAll(stack, body, WARM_UP);
      const busy = await used(stack, () => runAll(stack, body, RUNS));
      const perRun = (key: keyof Used): number => (busy[key] - (idle[key] / idle.ms) * busy.ms) / RUNS;
      rows.push({
        bench: 'capacity',
        workload,
        messages: round(busy.messages / RUNS, 2),
        logBytes: round(busy.logBytes / RUNS, 0),
        databaseRows: round(busy.rows / RUNS, 2),
        archiveBytes: round(busy.archiveBytes / RUNS, 0),
        ...Object.fromEntries(PROCESSES.map((name) => [`${name}Ms`, round(perRun(name) * 1000, 2)])),
      });
    }
    return rows;
  } finally {
    await stack.stop();
  }
}

const PROCESSES = ['gateway', 'orchestrator', 'planner', 'policy', 'registry', 'worker', 'nats', 'postgres'] as const;

/** What there is, or what was added to it: seconds of CPU by process, and what lies in log and database. */
type Used = Record<(typeof PROCESSES)[number] | 'ms' | 'messages' | 'logBytes' | 'rows' | 'archiveBytes', number>;

async function used(stack: BenchStack, work: () => Promise<unknown>): Promise<Used> {
  const before = await look(stack);
  await work();
  const after = await look(stack);
  return Object.fromEntries(
    Object.entries(after).map(([key, value]) => [key, value - before[key as keyof Used]]),
  ) as Used;
}

async function look(stack: BenchStack): Promise<Used> {
  const records = readState(stack.home)?.processes ?? [];
  const cpu = Object.fromEntries(
    PROCESSES.map((name) => {
      const pids =
        name === 'worker' ? stack.workers.pids : records.filter((record) => record.name === name).map(({ pid }) => pid);
      return [name, pids.reduce((sum, pid) => sum + cpuSecondsOf(pid), 0)];
    }),
  );
  return { ...cpu, ms: performance.now(), ...(await stored(stack)) } as Used;
}

async function stored({ natsUrl, databaseUrl }: BenchStack): Promise<Partial<Used>> {
  const nc = await connect(natsAccess(natsUrl));
  const db = connectPostgres<never>(databaseUrl, { max: 1 });
  try {
    const { state } = await (await jetstreamManager(nc)).streams.info('FLEX');
    const { rows } = await sql<Record<'rows' | 'bytes', string>>`
      select (select count(*) from gateway.runs) + (select count(*) from gateway.tasks) + (select count(*) from gateway.archive)
        + (select count(*) from gateway.idempotency) as rows,
        (select coalesce(sum(pg_column_size(a.*)), 0) from gateway.archive a) as bytes`.execute(db);
    return {
      messages: state.messages,
      logBytes: state.bytes,
      rows: Number(rows[0]!.rows),
      archiveBytes: Number(rows[0]!.bytes),
    };
  } finally {
    await db.destroy();
    await nc.close();
  }
}

/** Resolves when all of them are archived. */
async function runAll(stack: BenchStack, body: string, count: number): Promise<void> {
  const db = connectPostgres<never>(stack.databaseUrl, { max: 1 });
  const archived = async (): Promise<number> =>
    Number((await sql<{ n: string }>`select count(*) as n from gateway.archive`.execute(db)).rows[0]!.n);
  try {
    const wanted = (await archived()) + count;
    await inParallel(count, AT_ONCE, async () => void (await streamRun(stack.url, body)));
    while ((await archived()) < wanted) await delay(100);
  } finally {
    await db.destroy();
  }
}
