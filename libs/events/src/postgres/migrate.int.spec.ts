import { sql, type Kysely } from 'kysely';
import { startPostgres, type TestPostgres } from '@flex/embedded/testing';
import { connectPostgres, waitForPostgres } from './connect-postgres.js';
import { migrate, type Migrations } from './migrate.js';

describe('migrations', () => {
  let postgres: TestPostgres;
  let db: Kysely<unknown>;
  beforeAll(async () => {
    postgres = await startPostgres();
    db = connectPostgres(postgres.url);
    await waitForPostgres(db);
  });
  afterAll(async () => {
    await db.destroy();
    await postgres.stop();
  });

  const first: Migrations = {
    '0001-things': async (trx) => void (await sql`create table example.things (id int primary key)`.execute(trx)),
  };
  const second: Migrations = {
    ...first,
    '0002-names': async (trx) => void (await sql`alter table example.things add name text`.execute(trx)),
  };
  const columns = async (): Promise<string[]> => {
    const { rows } = await sql<{ column_name: string }>`select column_name from information_schema.columns
      where table_schema = 'example' and table_name = 'things' order by 1`.execute(db);
    return rows.map((row) => row.column_name);
  };

  it('are applied once, in order, though many replicas start together', async () => {
    const results = await Promise.all([1, 2, 3, 4].map(() => migrate(db, 'example', first)));
    expect(results.flat()).toEqual(['0001-things']);
    expect(await migrate(db, 'example', second)).toEqual(['0002-names']);
    expect(await columns()).toEqual(['id', 'name']);
  });

  it('leave nothing behind when one of them fails', async () => {
    const broken: Migrations = {
      ...second,
      '0003-more': async (trx) => void (await sql`alter table example.things add more text`.execute(trx)),
      '0004-broken': async (trx) => void (await sql`alter table example.nothing add more text`.execute(trx)),
    };
    await expect(migrate(db, 'example', broken)).rejects.toThrow('does not exist');
    expect(await columns()).toEqual(['id', 'name']);
  });

  it('refuse a schema name that could be anything else', async () => {
    await expect(migrate(db, 'a"; drop schema public; --', {})).rejects.toThrow('not a schema name');
  });
});
