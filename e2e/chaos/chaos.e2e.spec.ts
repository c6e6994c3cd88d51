import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { jest } from '@jest/globals';

jest.setTimeout(420_000);

const MAIN = fileURLToPath(new URL('../../deploy/embedded/dist/main.js', import.meta.url));

describe('chaos, in short', () => {
  it('keeps every promise while processes are killed', async () => {
    const seed = process.env['FLEX_CHAOS_SEED'] ?? '3';
    const output = await new Promise<string>((resolve, reject) => {
      execFile(
        process.execPath,
        [MAIN, 'chaos', '--seed', seed, '--runs', '6', '--kills', '4', '--json'],
        (error, stdout, stderr) => (stdout ? resolve(stdout) : reject(new Error(stderr || error?.message))),
      );
    });
    expect(JSON.parse(output)).toMatchObject({ ended: 6, violations: 0, found: [] });
  });
});
