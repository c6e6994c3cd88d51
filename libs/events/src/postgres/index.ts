export { connectPostgres, waitForPostgres, type PostgresOptions } from './connect-postgres.js';
export { migrate, type Migration, type Migrations } from './migrate.js';
