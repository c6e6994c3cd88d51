import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { jest } from '@jest/globals';

jest.setTimeout(300_000);

const MAIN = fileURLToPath(new URL('../../deploy/embedded/dist/main.js', import.meta.url));

describe('chaos, in short', () => {
  it('keeps every promise while everything is killed and paused once, and the network delays, breaks and repeats', async () => {
    const seed = process.env['FLEX_CHAOS_SEED'] ?? '3';
    const output = await new Promise<string>((resolve, reject) => {
      execFile(
        process.execPath,
        [MAIN, 'chaos', '--seed', seed, '--runs', '12', '--kills', '20', '--json'],
        (error, stdout, stderr) => (stdout ? resolve(stdout) : reject(new Error(stderr || error?.message))),
      );
    });
    expect(JSON.parse(output)).toMatchObject({ ended: 12, waited: 2, violations: 0, found: [] });
  });
});
