import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../deploy/embedded/dist/main.js', import.meta.url));

describe('twice as much as the gateway can take, in short', () => {
  it('is refused with a time to come back; what was accepted completes, and no backlog is left', async () => {
    const output = await new Promise<string>((resolve, reject) => {
      execFile(process.execPath, [MAIN, 'bench', 'overload', '--seconds', '4', '--json'], (error, stdout, stderr) =>
        stdout ? resolve(stdout) : reject(new Error(stderr || error?.message)),
      );
    });
    const row = JSON.parse(output) as { accepted: number; refused: number; longestRunMs: number };
    expect(row).toMatchObject({ refusedWithoutRetryAfter: 0, otherAnswers: 0, acceptedThatDidNotComplete: 0 });
    expect(row.accepted).toBeGreaterThan(100);
    expect(row.refused).toBeGreaterThan(100);
    // Accepted runs do not queue for longer than the storm lasts.
    expect(row.longestRunMs).toBeLessThan(4_000);
  });
});
