import { parseArgs } from 'node:util';
import { upcast, type StoredEvent } from '@flex/contracts';
import { evolve, initial } from '../core/evolve.js';
import { statusOf, type RunState } from '../core/state.js';
import { historyOf, OperatorFault, told, WrongUsage } from './history.js';

const USAGE = 'usage: flex replay <runId> [--at <seq> | --version <n>] [--json]';

/** `flex replay`: the state of a run at any point of its history, folded by the orchestrator's own fold. */
export const main = (argv: string[], env: NodeJS.ProcessEnv): Promise<number> =>
  told(async () => {
    const { values, positionals } = parse(argv);
    const [runId] = positionals;
    if (!runId) throw new WrongUsage(USAGE);
    const at = values.at === undefined ? undefined : Number(values.at);
    if (at !== undefined && !Number.isInteger(at)) throw new OperatorFault(`--at takes a sequence, not "${values.at}"`);
    const version = values.version === undefined ? undefined : Number(values.version.replace(/^v/, ''));
    const state = fold((await historyOf(runId, env)).map(current), at, version);
    if (!state) throw new OperatorFault(`run ${runId} had not begun at ${values.at}`);
    if (version !== undefined && state.plan?.version !== version)
      throw new OperatorFault(`run ${runId} has no plan version ${version}`);
    process.stdout.write(values.json ? `${JSON.stringify(plain(state))}\n` : text(state));
    return 0;
  });

function parse(argv: string[]) {
  try {
    return parseArgs({
      args: argv,
      allowPositionals: true,
      options: { at: { type: 'string' }, version: { type: 'string' }, json: { type: 'boolean' } },
    });
  } catch (error) {
    throw new WrongUsage(`${(error as Error).message}\n${USAGE}`);
  }
}

const current = (told: StoredEvent): StoredEvent =>
  ({ ...told, data: upcast(told.type, told.version, told.data) }) as StoredEvent;

/** Folds up to a sequence, or up to the last event before the plan version after the one asked for. */
export function fold(events: readonly StoredEvent[], at?: number, version?: number): RunState | undefined {
  let state: RunState | undefined;
  for (const event of events) {
    if (at !== undefined && event.seq > at) break;
    if (version !== undefined && event.type === 'plan.updated' && event.data.version > version) break;
    if (event.type === 'run.submitted') state ??= initial(event);
    if (state) evolve(state, event);
  }
  return state;
}

/** The state as plain JSON: what a program can compare. */
const plain = (state: RunState) => ({
  runId: state.runId,
  seq: state.seq,
  time: new Date(state.time).toISOString(),
  status: statusOf(state),
  planVersion: state.plan?.version,
  nodes: Object.fromEntries(
    [...state.nodes].map(([nodeId, run]) => [nodeId, { status: run.status, attempt: run.attempt }]),
  ),
  facets: Object.fromEntries([...state.facets].map(([facet, { value, from }]) => [facet, { value, from }])),
  tasks: [...state.tasks.keys()],
  replans: state.replans,
  spent: state.spent,
});

function text(state: RunState): string {
  const nodes = [...state.nodes].map(
    ([nodeId, run]) => `  ${run.status.padEnd(15)} ${nodeId}${run.attempt > 1 ? ` (attempt ${run.attempt})` : ''}`,
  );
  return [
    `run ${state.runId} at ${state.seq} (${new Date(state.time).toISOString()}): ${statusOf(state)}, ${state.plan ? `plan version ${state.plan.version}` : 'no plan yet'}`,
    ...nodes,
    `facets: ${[...state.facets.keys()].join(', ') || 'none'}`,
    ...(state.tasks.size > 0
      ? [`waits for: ${[...state.tasks.values()].map(({ task }) => task.prompt.slice(0, 80)).join('; ')}`]
      : []),
    '',
  ].join('\n');
}
