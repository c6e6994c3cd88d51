/** Finds a nats-server that is new enough: NATS_SERVER_BIN, else PATH, else the npm platform package. */
import { execFileSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { installed } from './checkout.js';
import { OperatorError } from './operator-error.js';

/** Message schedules, per-message TTL and filter-subject expectations came with 2.12; older servers ignore them silently. */
export const MINIMUM_NATS_VERSION = '2.12.0';

const ADVICE =
  `Install nats-server >= ${MINIMUM_NATS_VERSION} (https://nats.io/download), or set NATS_SERVER_BIN to its path, ` +
  'or NATS_URL to a server that runs already.';

const isExecutable = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

/** The version a binary reports, e.g. `2.14.0`; undefined when it isn't a nats-server. */
export function versionOf(binary: string): string | undefined {
  try {
    const output = execFileSync(binary, ['--version'], { encoding: 'utf8', stdio: 'pipe', timeout: 5_000 });
    return /v(\d+\.\d+\.\d+)/.exec(output)?.[1];
  } catch {
    return undefined;
  }
}

export function isNewEnough(version: string, minimum: string = MINIMUM_NATS_VERSION): boolean {
  const [a, b] = [version, minimum].map((text) => text.split('.').map((part) => Number.parseInt(part, 10)));
  for (let i = 0; i < 3; i += 1) {
    const difference = (a?.[i] ?? 0) - (b?.[i] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
}

/** The path of a usable nats-server. Throws an OperatorError that says what to do when there is none. */
export function findNatsServer(env: NodeJS.ProcessEnv = process.env): string {
  const chosen = env.NATS_SERVER_BIN;
  if (chosen) {
    const version = versionOf(chosen);
    if (!version) throw new OperatorError(`NATS_SERVER_BIN=${chosen} is not a nats-server that runs here`, ADVICE);
    if (!isNewEnough(version)) throw new OperatorError(`NATS_SERVER_BIN is nats-server ${version}: too old`, ADVICE);
    return chosen;
  }
  const onPath = (env.PATH ?? '')
    .split(delimiter)
    .map((folder) => join(folder, 'nats-server'))
    .find(isExecutable);
  if (onPath) {
    const version = versionOf(onPath);
    if (version && isNewEnough(version)) return onPath;
  }
  const packaged = installed('@eplightning', `nats-server-${process.platform}-${process.arch}`, 'bin', 'nats-server');
  if (isExecutable(packaged)) return packaged;
  throw new OperatorError(
    onPath ? `${onPath} is too old or doesn't run` : `no nats-server found for ${process.platform}-${process.arch}`,
    ADVICE,
  );
}
