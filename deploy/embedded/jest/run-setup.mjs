/** Names one folder for the whole jest run: its shared Postgres lives there (see src/testing/postgres.ts), if asked for. */
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export default async () => {
  // Workers are forked later and inherit both.
  process.env.FLEX_TEST_RUN ??= join(tmpdir(), `flex-test-run-${randomBytes(6).toString('hex')}`);
  process.env.FLEX_TEST_OWNER ??= String(process.pid);
};
