import { execFile } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CHECKOUT } from './checkout.js';

const SCRIPT = join(CHECKOUT, 'deploy/scripts/try-compose.sh');

/** An engine of which everything works but what $FAILS names; $DONE tells that a build began. */
const DOCKER = `#!/bin/sh
case "$*" in $FAILS) exit 1 ;; esac
case "$*" in
  *' config') printf '    BUILD: some/build\\n    image: some/nats\\n    image: flex/gateway:trial\\n' ;;
  *' build '*) echo began > "$DONE"; exit 7 ;;
esac
`;

describe('try-compose.sh', () => {
  const folder = mkdtempSync(join(tmpdir(), 'flex-engine-'));
  const done = join(folder, 'done');
  afterAll(() => rmSync(folder, { recursive: true }));
  beforeAll(() => {
    for (const command of ['sh', 'mktemp', 'rm', 'dirname', 'sed', 'grep', 'sort', 'head', 'cat'])
      symlinkSync(
        join(
          ['/bin', '/usr/bin'].find((place) => existsSync(join(place, command)))!,
          command,
        ),
        join(folder, command),
      );
  });
  const script = (fails: string): Promise<{ code: number; output: string }> =>
    new Promise((resolve) => {
      const env = { PATH: folder, FAILS: fails, DONE: done, TMPDIR: folder };
      execFile('/bin/sh', [SCRIPT, '--short'], { env }, (error, stdout, stderr) =>
        resolve({ code: Number(error?.code ?? 0), output: stdout + stderr }),
      );
    });

  it('says in one line that there is no docker', async () => {
    expect(await script('')).toEqual({ code: 0, output: 'try-compose: skipped, there is no docker command\n' });
  });

  it.each([
    ['info', 'no Docker engine answers'],
    ['compose version', 'docker has no compose plugin of version 2'],
    ['image inspect some/nats|pull*', 'the image some/nats is neither here nor can it be pulled'],
    ['run*', 'containers cannot be run here, or do not reach the npm registry'],
  ])('says in one line why a half engine will not do: %s', async (fails, why) => {
    writeFileSync(join(folder, 'docker'), DOCKER.replace('$FAILS', fails.replaceAll(' ', '\\ ')));
    chmodSync(join(folder, 'docker'), 0o755);
    expect(await script(fails)).toEqual({ code: 0, output: `try-compose: skipped, ${why}\n` });
    expect(existsSync(done)).toBe(false);
  });

  it('begins where nothing is missing, and then fails when something does', async () => {
    writeFileSync(join(folder, 'docker'), DOCKER.replace('$FAILS', 'nothing'));
    expect(await script('')).toMatchObject({ code: 7, output: expect.stringContaining('try-compose: images') });
    expect(existsSync(done)).toBe(true);
  });
});
