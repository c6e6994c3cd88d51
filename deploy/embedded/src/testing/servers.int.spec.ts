import { existsSync } from 'node:fs';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import pg from 'pg';
import { startNats, startNatsCluster, startPostgres } from './index.js';

describe('a test’s own servers', () => {
  it('gives a nats-server that keeps its data through a crash, and leaves nothing behind', async () => {
    const nats = await startNats({ sync: 'always' });
    const first = await connect({ servers: nats.url });
    const manager = await jetstreamManager(first);
    await manager.streams.add({ name: 'KEPT', subjects: ['kept.>'] });
    await first.close();

    await nats.kill();
    expect(nats.pid()).toBeUndefined();
    await nats.restart();

    const second = await connect({ servers: nats.url });
    expect((await (await jetstreamManager(second)).streams.info('KEPT')).config.subjects).toEqual(['kept.>']);
    await second.close();
    await nats.stop();
    expect(existsSync(nats.dir)).toBe(false);
  });

  it('gives a cluster that takes a replicated stream at once', async () => {
    const cluster = await startNatsCluster(3);
    const connection = await connect({ servers: cluster.url.split(',') });
    const info = await (
      await jetstreamManager(connection)
    ).streams.add({ name: 'R3', subjects: ['r3.>'], num_replicas: 3 });
    expect(info.cluster?.replicas).toHaveLength(2);
    await connection.close();
    await cluster.stop();
  });

  it('gives every caller an empty database on one Postgres', async () => {
    const [one, two] = await Promise.all([startPostgres(), startPostgres()]);
    expect(new URL(one.url).port).toBe(new URL(two.url).port);
    expect(one.url).not.toBe(two.url);
    const client = new pg.Client({ connectionString: one.url });
    client.on('error', () => undefined);
    await client.connect();
    await client.query('create table thing (id int)');
    const other = new pg.Client({ connectionString: two.url });
    await other.connect();
    await expect(other.query('select * from thing')).rejects.toThrow('does not exist');
    await other.end();
    await one.stop();
    await two.stop();
    const gone = new pg.Client({ connectionString: one.url });
    await expect(gone.connect()).rejects.toThrow('does not exist');
  });
});
