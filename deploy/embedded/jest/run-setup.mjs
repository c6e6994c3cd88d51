/** Gives the whole jest run one folder, in which its shared Postgres lives (see src/testing/postgres.ts). */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export default async () => {
  // Workers are forked later and inherit both.
  process.env.FLEX_TEST_RUN ??= mkdtempSync(join(tmpdir(), 'flex-test-run-'));
  process.env.FLEX_TEST_OWNER ??= String(process.pid);
};
