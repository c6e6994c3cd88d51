/** `flex logs [service] [-f] [-n lines]`: the last lines of every process' log, and what follows. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { INTERRUPTED, interruption } from '../interruption.js';
import { OperatorError } from '../operator-error.js';
import { lastLines, readFrom } from '../process-logs.js';
import { homeOf } from '../settings.js';
import { logsFolder } from '../stack-state.js';

const POLL_MS = 200;
const USUAL_LINES = 50;

/** `worker` means every replica: worker.log, worker-1.log, worker-2.log … */
function logFiles(folder: string, service: string | undefined): string[] {
  const all = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.log')) : [];
  const wanted = all.filter(
    (name) => !service || basename(name, '.log').replace(/-\d+$/, '') === service || name === `${service}.log`,
  );
  if (wanted.length > 0) return wanted.sort().map((name) => join(folder, name));
  const known = all.map((name) => basename(name, '.log')).sort();
  if (known.length === 0) throw new OperatorError('there are no logs yet', 'Bring a stack up first: ./flex up.');
  throw new OperatorError(`there is no log of "${service}"`, `Logs: ${known.join(', ')}.`);
}

function print(path: string, text: string, prefixed: boolean): void {
  if (!text) return;
  const lines = text.replace(/\n$/, '').split('\n');
  const prefix = prefixed ? `${basename(path, '.log').padEnd(14)} ` : '';
  process.stdout.write(lines.map((line) => `${prefix}${line}\n`).join(''));
}

export async function main(argv: string[], env: NodeJS.ProcessEnv): Promise<number> {
  const follow = argv.includes('-f') || argv.includes('--follow');
  const n = argv.indexOf('-n');
  const count = n >= 0 ? Number(argv[n + 1]) : USUAL_LINES;
  if (!Number.isInteger(count) || count < 0) throw new OperatorError('-n needs a number of lines');
  const service = argv.find((argument, index) => !argument.startsWith('-') && (n < 0 || index !== n + 1));
  const files = logFiles(logsFolder(homeOf(env)), service);
  const offsets = new Map(files.map((path) => [path, statSync(path).size]));
  for (const path of files) print(path, count > 0 ? lastLines(path, count) : '', files.length > 1);
  if (!follow) return 0;
  const interrupted = interruption();
  while (!interrupted.aborted) {
    for (const path of files) {
      const { text, end } = readFrom(path, offsets.get(path) ?? 0);
      // Whole lines only: the rest of a line comes with the next look.
      const whole = text.lastIndexOf('\n') + 1;
      print(path, text.slice(0, whole), files.length > 1);
      offsets.set(path, end - Buffer.byteLength(text.slice(whole)));
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  return INTERRUPTED;
}
