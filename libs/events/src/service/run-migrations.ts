import { reasonOf } from '../errors.js';
import { connectPostgres, migrate, waitForPostgres, type Migrations } from '../postgres/index.js';
import { ConfigurationFault, DatabaseConfig, readConfiguration, type Environment } from './configuration.js';

/**
 * Brings the schema of one service to its newest form and ends: what a service does at its start anyway, as a step of
 * its own before a release is rolled out. Resolves with the exit code.
 */
export async function runMigrations(schema: string, migrations: Migrations, env: Environment): Promise<number> {
  try {
    const { databaseUrl } = readConfiguration(DatabaseConfig, env);
    const db = connectPostgres<unknown>(databaseUrl, { name: `flex-${schema}-migrate`, max: 1 });
    try {
      await waitForPostgres(db);
      const applied = await migrate(db, schema, migrations);
      process.stdout.write(`${schema}: ${applied.length > 0 ? `applied ${applied.join(', ')}` : 'nothing to apply'}\n`);
      return 0;
    } finally {
      await db.destroy();
    }
  } catch (error) {
    const faults = error instanceof ConfigurationFault ? error.faults : [reasonOf(error)];
    for (const fault of faults) process.stderr.write(`${schema}: ${fault}\n`);
    return 1;
  }
}
