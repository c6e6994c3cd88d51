/** The stack that the e2e tests talk to: the one at FLEX_URL, else an embedded one of its own, which ends with jest. */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureStack } from '../dist/index.js';
import prepareRun from './run-setup.mjs';

/** What would let the tests reach into something of the operator's, or depend on a model's mood. */
const NOT_FOR_TESTS = [
  'NATS_URL',
  'DATABASE_URL',
  'FLEX_PORT',
  'FLEX_NATS_PORT',
  'FLEX_PG_PORT',
  'OPENAI_BASE_URL',
  'OPENAI_API_KEY',
];

export default async () => {
  await prepareRun();
  if (process.env.FLEX_URL) return;
  const env = { ...process.env, FLEX_HOME: mkdtempSync(join(tmpdir(), 'flex-e2e-')) };
  for (const name of NOT_FOR_TESTS) delete env[name];
  const stack = await ensureStack({ env, lifetime: 'attached' });
  globalThis.flexE2eStack = stack;
  process.env.FLEX_HOME = stack.home;
  process.env.FLEX_URL = stack.url;
  process.env.NATS_URL = stack.natsUrl;
  process.env.DATABASE_URL = stack.databaseUrl;
};
