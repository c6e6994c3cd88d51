import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { jest } from '@jest/globals';

// Beyond the patience of `flex chaos` itself, which then says what did not come to its end.
jest.setTimeout(660_000);

const MAIN = fileURLToPath(new URL('../../deploy/embedded/dist/main.js', import.meta.url));

describe('chaos, in short', () => {
  it('keeps every promise while everything is killed and paused once, and the network delays, breaks and repeats', async () => {
    const seed = process.env['FLEX_CHAOS_SEED'] ?? '3';
    const { output, told } = await new Promise<{ output: string; told: string }>((resolve) => {
      execFile(
        process.execPath,
        [MAIN, 'chaos', '--seed', seed, '--runs', '12', '--kills', '20', '--json'],
        { timeout: 600_000 },
        (_, stdout, stderr) => resolve({ output: stdout, told: stderr }),
      );
    });
    const kept = { ended: 12, waited: 2, violations: 0, found: [] };
    const report = output ? (JSON.parse(output) as object) : { found: ['it came to no end'] };
    try {
      expect(report).toMatchObject(kept);
    } catch (error) {
      throw new Error(`${(error as Error).message}\n\n${told}`, { cause: error });
    }
  });
});
