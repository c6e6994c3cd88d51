import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeNextRelease } from '../harness/next-release.js';

const MAIN = fileURLToPath(new URL('../../deploy/embedded/dist/main.js', import.meta.url));

describe('a rolling upgrade, in short', () => {
  const release = mkdtempSync(join(tmpdir(), 'flex-next-'));
  beforeAll(() => makeNextRelease(release));
  afterAll(() => rmSync(release, { recursive: true }));

  it('to a release with a new version of an event loses no run and no frame, and no history is altered', async () => {
    const options = ['--to', release, '--clients', '4', '--seconds', '1', '--json'];
    const output = await new Promise<string>((resolve, reject) => {
      execFile(process.execPath, [MAIN, 'bench', 'rolling', ...options], (error, stdout, stderr) =>
        stdout ? resolve(stdout) : reject(new Error(stderr || error?.message)),
      );
    });
    const row = JSON.parse(output) as { runs: number; longestMs: number; takenOverMs: number };
    expect(row).toMatchObject({ replaced: 12, violations: 0, found: [] });
    expect(row.runs).toBeGreaterThan(10);
    // Nothing waited for a lease to expire (5 s) or for an ack wait (15 s, 30 s).
    expect(row.takenOverMs).toBeLessThan(5_000);
    expect(row.longestMs).toBeLessThan(14_000);
    // A minute on a quiet machine, for twelve replicas one after the other: beside other suites more.
  }, 300_000);
});
