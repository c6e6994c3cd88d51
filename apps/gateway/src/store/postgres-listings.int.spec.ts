import { connectPostgres, migrate } from '@flex/events/postgres';
import { startPostgres, type TestPostgres } from '@flex/embedded/testing';
import { migrations, SCHEMA, type GatewayDatabase } from './gateway-schema.js';
import { PostgresListings } from './postgres-listings.js';

describe('lists that wait for the read models', () => {
  let postgres: TestPostgres;
  let db: ReturnType<typeof connectPostgres<GatewayDatabase>>;

  beforeAll(async () => {
    postgres = await startPostgres();
    db = connectPostgres<GatewayDatabase>(postgres.url);
    await migrate(db, SCHEMA, migrations);
  });
  afterAll(async () => {
    await db.destroy();
    await postgres.stop();
  });

  it('go by their checkpoint, not by that of the archive', async () => {
    await db
      .insertInto('gateway.checkpoints')
      .values([
        { name: 'archive', seq: 100 },
        { name: 'read-models', seq: 1 },
      ])
      .execute();
    let reached = false;
    const waiting = new PostgresListings(db).caughtUpTo(50).then(() => (reached = true));
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(reached).toBe(false);
    await db.updateTable('gateway.checkpoints').set({ seq: 50 }).where('name', '=', 'read-models').execute();
    await waiting;
  });
});
