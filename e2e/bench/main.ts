import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { benchFanout } from './fanout.js';
import { benchLargeRegistry } from './large-registry.js';
import { benchSteps } from './steps.js';
import { benchWorkflows } from './workflows.js';
import { table } from './statistics.js';

const CHECKOUT = join(dirname(fileURLToPath(import.meta.url)), '../../..');

const USAGE = `usage: flex bench [steps|fanout|workflows|registry|composition …] [--json]

Each benchmark brings up a stack of its own and prints a table (with --json one JSON line per row).
  steps        chains of ten no-op nodes beside the bare protocol, for both sync settings
  fanout       one run of 50, 1,000 and 10,000 parallel nodes
  workflows    executed workflow graphs of others (FLEX_DATA)
  registry     a published set of thousands of capabilities in the running system (FLEX_DATA)
  composition  plan assembly on published composition problems [files…]
Without a name: all of them.
`;

type Bench = (env: NodeJS.ProcessEnv) => Promise<Record<string, unknown>[]>;
const benches: Record<string, Bench> = {
  steps: (env) => benchSteps(env),
  fanout: (env) => benchFanout(env),
  workflows: (env) => benchWorkflows(env, CHECKOUT),
  registry: (env) => benchLargeRegistry(env, CHECKOUT),
};

/** `flex bench …` */
export async function main(argv: string[], env: NodeJS.ProcessEnv): Promise<number> {
  const [name, ...rest] = argv;
  if (name === 'composition' || name === 'plan') return (await import('./composition.js')).main(rest);
  const json = argv.includes('--json');
  const names = argv.filter((word) => !word.startsWith('-'));
  const unknown = names.find((word) => !(word in benches));
  if (unknown !== undefined || argv.includes('--help')) {
    process.stderr.write(unknown === undefined ? USAGE : `flex bench: there is no benchmark "${unknown}"\n${USAGE}`);
    return unknown === undefined ? 0 : 2;
  }
  for (const one of names.length > 0 ? names : Object.keys(benches)) {
    const rows = await benches[one]!(env);
    process.stdout.write(json ? rows.map((row) => `${JSON.stringify(row)}\n`).join('') : `${table(rows)}\n\n`);
  }
  if (names.length === 0) return (await import('./composition.js')).main(json ? ['--json'] : []);
  return 0;
}
