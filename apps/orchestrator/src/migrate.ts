import { runMigrations, type Environment } from '@flex/events/service';
import { migrations } from './postgres-snapshots.js';

/** Migrates the schema of this service and ends: `node service/dist/migrate.js` in its image. Resolves with the exit code. */
export const main = (_argv: string[], env: Environment): Promise<number> =>
  runMigrations('orchestrator', migrations, env);

if (import.meta.main) process.exitCode = await main(process.argv.slice(2), process.env);
