/** `flex status [--json]`: what runs, where, and whether it is ready. Exit code 0 when all is, 3 otherwise. */
import { withoutSecrets } from '../shown-url.js';
import { isReadyAt } from '../health-probe.js';
import { isRunning } from '../process-identity.js';
import { homeOf } from '../settings.js';
import { readState, supervisorOf, type ProcessRecord } from '../stack-state.js';

const NOT_READY = 3;

/** What is true now: a state file may be older than the process's end. */
const look = async (record: ProcessRecord): Promise<ProcessRecord & { running: boolean }> => {
  const running = isRunning(record);
  const ready = running && (record.service ? await isReadyAt(record.port) : record.ready);
  return { ...record, running, ready };
};

export async function main(argv: string[], env: NodeJS.ProcessEnv): Promise<number> {
  const home = homeOf(env);
  const state = readState(home);
  const supervisor = supervisorOf(home);
  const processes = await Promise.all((state?.processes ?? []).filter(({ helper }) => !helper).map(look));
  const phase = supervisor && state ? state.phase : processes.some((one) => one.running) ? 'orphaned' : 'down';
  const ready = phase === 'ready' && processes.every((one) => one.ready);
  if (argv.includes('--json')) {
    const { url, natsUrl, since } = state ?? {};
    const shown = processes.map(({ startedAt: _startedAt, ...one }) => one);
    const servers = {
      natsUrl: natsUrl && withoutSecrets(natsUrl),
      databaseUrl: state && withoutSecrets(state.databaseUrl),
    };
    console.log(
      JSON.stringify({ home, phase, ready, ...(phase !== 'down' && { url, since, ...servers }), processes: shown }),
    );
    return ready ? 0 : NOT_READY;
  }
  if (phase === 'down') {
    console.log(`Flex is down (${home}).`);
    return NOT_READY;
  }
  console.log(
    `Flex is ${ready ? 'up' : phase === 'ready' ? 'up, but not all of it' : phase} at ${state?.url} (${home})`,
  );
  const rows = [
    ['PROCESS', 'PID', 'PORT', 'RESTARTS', 'STATE'],
    ...processes.map((one) => [
      one.name,
      String(one.pid),
      String(one.port),
      String(one.restarts),
      one.ready ? 'ready' : one.running ? 'not ready' : 'ended',
    ]),
  ];
  const widths = (rows[0] as string[]).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] as string).length)),
  );
  for (const row of rows)
    console.log(
      row
        .map((cell, column) => cell.padEnd(widths[column] as number))
        .join('  ')
        .trimEnd(),
    );
  if (phase === 'orphaned')
    console.log('Its supervisor was killed: ./flex down ends the rest, ./flex up starts afresh.');
  return ready ? 0 : NOT_READY;
}
