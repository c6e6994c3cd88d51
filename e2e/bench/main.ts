import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { benchCapacity } from './capacity.js';
import { benchFanout } from './fanout.js';
import { benchLargeRegistry } from './large-registry.js';
import { benchOverload } from './overload.js';
import { benchScale } from './scale.js';
import { benchPlan } from './plan.js';
import { benchRecovery } from './recovery.js';
import { benchSse } from './sse.js';
import { benchSteps } from './steps.js';
import { benchWaiting } from './waiting.js';
import { benchWorkflows } from './workflows.js';
import { table } from './statistics.js';

const CHECKOUT = join(dirname(fileURLToPath(import.meta.url)), '../../..');

const USAGE = `usage: flex bench [steps|fanout|workflows|capacity|sse|recovery|plan|waiting|overload|scale|rolling|registry|composition|all …]
                  [--runs n] [--json]

Each benchmark brings up a stack of its own and prints a table (with --json one JSON line per row).
  steps        chains of ten no-op nodes, run on and handed over, beside the bare protocol, for both sync settings
  fanout       one run of 50, 1,000 and 10,000 parallel nodes
  workflows    executed workflow graphs of others (FLEX_DATA)
  capacity     what a run puts into log and database, and its CPU in each process
  scale        throughput of workers and planners, one, two and four of them, where they are the bottleneck
  rolling      every replica is replaced under load; --help tells more
  sse          1,000 and 10,000 streams open on one gateway, beside a bare consumer
  recovery     10,000 runs (--runs) in the middle of a step when the orchestrator is killed
  plan         plan assembly on registries of growing size and on the published composition problems (FLEX_DATA)
  waiting      100,000 runs (--runs) that wait for people
  overload     twice as many submissions as the gateway can take; --help tells more
  registry     a published set of thousands of capabilities in the running system (FLEX_DATA)
  composition  the same on composition problems [files…]: a line for each, with the chosen services
  all          every one of them but rolling, one after the other: most of an hour
`;

/** `runs`: as many as were asked for; each benchmark has a number of its own. */
type Bench = (env: NodeJS.ProcessEnv, runs?: number) => Promise<Record<string, unknown>[]> | Record<string, unknown>[];
const benches: Record<string, Bench> = {
  steps: (env) => benchSteps(env),
  fanout: (env) => benchFanout(env),
  scale: (env) => benchScale(env),
  workflows: (env) => benchWorkflows(env, CHECKOUT),
  capacity: (env) => benchCapacity(env),
  sse: (env) => benchSse(env),
  recovery: (env, runs) => benchRecovery(env, runs),
  plan: (env) => benchPlan(env),
  waiting: (env, runs) => benchWaiting(env, runs),
  overload: async (env) => [await benchOverload(env, 30)],
  registry: (env) => benchLargeRegistry(env, CHECKOUT),
};

/** `flex bench …` */
export async function main(argv: string[], env: NodeJS.ProcessEnv): Promise<number> {
  const [name, ...rest] = argv;
  if (name === 'composition') return (await import('./composition.js')).main(rest);
  if (name === 'rolling') return (await import('./rolling.js')).main(rest, env);
  if (name === 'overload') return (await import('./overload.js')).main(rest, env);
  const json = argv.includes('--json');
  const runsAt = argv.indexOf('--runs');
  const runs = runsAt < 0 ? undefined : Number(argv[runsAt + 1]);
  if (runs !== undefined && !(Number.isSafeInteger(runs) && runs > 0)) {
    process.stderr.write('flex bench: --runs takes a number\n');
    return 2;
  }
  const asked = argv.filter((word, at) => !word.startsWith('-') && (runsAt < 0 || at !== runsAt + 1));
  const all = asked.length === 1 && asked[0] === 'all';
  const names = all ? Object.keys(benches) : asked;
  const unknown = names.find((word) => !(word in benches));
  if (argv.includes('--help')) {
    process.stdout.write(USAGE);
    return 0;
  }
  if (unknown !== undefined || names.length === 0) {
    process.stderr.write(unknown === undefined ? USAGE : `flex bench: there is no benchmark "${unknown}"\n${USAGE}`);
    return 2;
  }
  for (const one of names) {
    const rows = await benches[one]!(env, runs);
    process.stdout.write(json ? rows.map((row) => `${JSON.stringify(row)}\n`).join('') : `${table(rows)}\n\n`);
  }
  return 0;
}
