/** Stops the jest run's shared Postgres, if any test asked for one, and removes its folder. */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const isAlive = (pid) => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

export default async () => {
  const folder = process.env.FLEX_TEST_RUN;
  if (!folder) return;
  let pid;
  try {
    ({ pid } = JSON.parse(readFileSync(join(folder, 'postgres.json'), 'utf8')));
  } catch {
    // No test asked for it.
  }
  if (pid && isAlive(pid)) {
    process.kill(pid, 'SIGINT');
    while (isAlive(pid)) await new Promise((resolve) => setTimeout(resolve, 20));
  }
  rmSync(folder, { recursive: true, force: true });
};
