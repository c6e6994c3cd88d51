import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

/**
 * Which release each service of a stack is started from. A release is a folder with `apps/<service>/dist/main.js` and
 * `e2e/dist/bench/noop-worker.js`: a checkout that was built.
 */
export class Releases {
  readonly #folder = mkdtempSync(join(tmpdir(), 'flex-releases-'));

  /** For `FLEX_SERVICE_ENTRY`: looked at each time that a process is started. */
  readonly entry = join(this.#folder, '{service}.mjs');

  /** From now on the service's processes are started from that release. */
  use(service: string, release: string): void {
    const main = programOf(release, `apps/${service}/dist/main.js`);
    writeFileSync(this.entry.replace('{service}', service), `await import(${JSON.stringify(pathToFileURL(main))});\n`);
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

export const benchWorkerOf = (release: string): string => programOf(release, 'e2e/dist/bench/noop-worker.js');

function programOf(release: string, path: string): string {
  const program = resolve(release, path);
  if (!existsSync(program)) throw new Error(`${program} is missing: ${release} is no release that was built`);
  return program;
}
