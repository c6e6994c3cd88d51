import { jest } from '@jest/globals';
import type { Kysely } from 'kysely';
import { connectNats, ensureStreams, FenceLost } from '@flex/events';
import { connectPostgres, migrate } from '@flex/events/postgres';
import { startNats, startNatsCluster, startPostgres, TcpProxy, type TestPostgres } from '@flex/embedded/testing';
import type { StoredEvent } from '@flex/contracts';
import { evolve, initial } from './core/evolve.js';
import type { PartitionOwner } from './partition-owner.js';
import { migrations, PostgresSnapshots, type SnapshotTables } from './postgres-snapshots.js';
import { Random } from './simulation/random.js';
import { PARTITION, PlayedPartition, startOwner } from './testing/played-partition.js';

const prepare = async (url: string, replicas: number): Promise<void> => {
  const nc = await connectNats({ url, name: 'setup' });
  await ensureStreams(nc, { replicas });
  await nc.close();
};

/** Takes the partition again a moment after it lost it, as a replica does that believes in its lease. */
function insist(own: () => PartitionOwner, pauseMs = 40) {
  let owner: PartitionOwner | undefined;
  let stopped = false;
  let losses = 0;
  const insisting = (async () => {
    while (!stopped) {
      owner = own();
      await owner.run().catch((error: unknown) => (losses += error instanceof FenceLost ? 1 : 0));
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  })();
  return {
    losses: () => losses,
    stop: async () => {
      stopped = true;
      await owner?.stop();
      await insisting;
    },
  };
}

describe('a partition on real servers', () => {
  let postgres: TestPostgres;
  let db: Kysely<SnapshotTables>;
  const ends: (() => Promise<unknown>)[] = [];

  beforeEach(async () => {
    postgres = await startPostgres();
    db = connectPostgres<SnapshotTables>(postgres.url);
    await migrate(db, 'orchestrator', migrations);
  });
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end();
    await db.destroy();
    await postgres.stop();
  });

  const server = async () => {
    const nats = await startNats();
    ends.push(() => nats.stop());
    await prepare(nats.url, 1);
    return nats;
  };
  const played = async (url: string, seed: number): Promise<PlayedPartition> => {
    const partition = await PlayedPartition.start(url, new Random(seed));
    ends.push(() => partition.stop());
    return partition;
  };
  const replica = async (url: string, name: string) => {
    const started = await startOwner(url, name, db);
    ends.push(() => started.close());
    return started;
  };

  it('that two replicas are forced to own is never told two things', async () => {
    const { url } = await server();
    const partition = await played(url, 1);
    const rivals = [insist((await replica(url, 'one')).own), insist((await replica(url, 'other')).own)];
    await partition.submit(24);
    await partition.until('every run ends', () => partition.open.length === 0);
    await Promise.all(rivals.map((rival) => rival.stop()));
    expect(partition.violations()).toEqual([]);
    // Both had it, again and again.
    expect(Math.min(...rivals.map((rival) => rival.losses()))).toBeGreaterThan(2);
  });

  it('is not changed by an owner of before that wakes up: neither its log nor its snapshots', async () => {
    const nats = await server();
    const network = await TcpProxy.start(nats.port);
    ends.push(() => network.stop());
    const partition = await played(nats.url, 2);
    const sleeper = await replica(`nats://127.0.0.1:${network.port}`, 'sleeper');
    const before = sleeper.own();
    const sleeping = before.run().then(
      () => 'ended',
      (error: unknown) => error,
    );
    await partition.submit(6);
    await partition.until('decisions', () => partition.decisions > 12);
    const wake = network.hold();
    const claims = partition.events.filter((event) => event.type === 'partition.claimed').length;
    // More work for the one that sleeps: what it knows of it by now it will want to decide.
    const after = (await replica(nats.url, 'successor')).own();
    const running = after.run();
    await after.ready;
    await partition.submit(12);
    await partition.until('every run ends', () => partition.open.length === 0);
    // Its log is read by two: the end may have come to the one and not yet to the other.
    await partition.until('the successor has seen it', () => after.size === 0);
    await after.stop();
    await running;
    await after.save();
    const look = async () => ({
      seq: await partition.log.lastSeq(),
      rows: await db.selectFrom('orchestrator.runs').selectAll().orderBy('run_id').execute(),
      checkpoints: await db.selectFrom('orchestrator.checkpoints').selectAll().execute(),
    });
    const quiet = await look();
    wake();
    expect(await sleeping).toBeInstanceOf(FenceLost);
    await expect(before.save()).rejects.toThrow(FenceLost);
    expect(await look()).toEqual(quiet);
    expect(partition.violations()).toEqual([]);
    expect(partition.events.filter((event) => event.type === 'partition.claimed')).toHaveLength(claims + 1);
  });

  it.each([86_400_000, -86_400_000])('does not look at the clock of its machine, which is %i ms off', async (skew) => {
    const { url } = await server();
    const clock = Date.now.bind(Date);
    const skewed = jest.spyOn(Date, 'now').mockImplementation(() => clock() + skew);
    try {
      const partition = await played(url, 5);
      const owner = (await replica(url, 'one')).own();
      const running = owner.run();
      const fired = () => partition.events.some((event) => event.type === 'timer.fired');
      // Which runs have a step that is tried again after a while depends on the order in which events arrive.
      for (let runs = 8; runs <= 80 && !fired(); runs += 8) {
        await partition.submit(runs);
        await partition.until('every run ends', () => partition.open.length === 0);
      }
      await owner.stop();
      await running;
      expect(partition.violations()).toEqual([]);
      expect(fired()).toBe(true);
    } finally {
      skewed.mockRestore();
    }
  });

  it('forgets no run that could leave memory while another one is still being fetched', async () => {
    const { url } = await server();
    const partition = await played(url, 4);
    let saved = 0;
    /** One of several is not there, so that it is folded from the log; a save is through before that is. */
    class Gappy extends PostgresSnapshots {
      override async load(runIds: readonly string[]) {
        const found = await super.load(runIds);
        if (runIds.length > 1) {
          found.delete(runIds.at(-1)!);
          setImmediate(() => void owner.save().then(() => saved++));
        }
        return found;
      }
    }
    const { own, close } = await startOwner(url, 'one', db, new Gappy(db));
    ends.push(close);
    const owner = own();
    const running = owner.run();
    for (let runs = 24; runs <= 96 && saved < 5; runs += 24) {
      await partition.submit(runs);
      await partition.until('every run ends', () => partition.open.length === 0);
    }
    await owner.stop();
    await running;
    expect(saved).toBeGreaterThan(4);
    expect(partition.violations()).toEqual([]);
  });

  it('has snapshots that only its last owner saves, and that are the fold of its log', async () => {
    const { url } = await server();
    const partition = await played(url, 3);
    const one = await replica(url, 'one');
    const owner = one.own();
    const running = owner.run().catch(() => undefined);
    await owner.ready;
    await partition.submit(1);
    await partition.until('a run under way', () => partition.decisions > 0);
    await owner.save();
    const claim = (await one.log.claimPartition(PARTITION, 'next'))!;
    await running;
    const snapshots = new PostgresSnapshots(db);
    const seq = await one.log.lastSeq();
    const recovered = await snapshots.recover(claim, seq);
    const stale = { ...claim, seq: claim.seq - 1 };
    await expect(snapshots.save(stale, seq, [], [])).rejects.toThrow(FenceLost);
    await expect(snapshots.recover(stale, seq)).rejects.toThrow(FenceLost);
    expect((await snapshots.recover({ ...claim, seq: claim.seq + 1 }, seq + 1)).seq).toBe(recovered.seq);
    for (const [runId, { state }] of await snapshots.load(partition.open)) {
      const events = (partition.events as unknown as StoredEvent[]).filter(
        (event) => event.runId === runId && event.seq <= state.seq,
      );
      const folded = initial(events[0] as StoredEvent<'run.submitted'>);
      for (const event of events.slice(1)) evolve(folded, event);
      expect({ ...folded, due: 0, chain: state.chain }).toEqual({ ...state, due: 0 });
    }
    // A log that began again has no use for snapshots of the one before.
    expect((await snapshots.recover({ ...claim, seq: 1 }, 1)).seq).toBe(0);
  });

  it('goes on when the leader of a cluster of three is killed under load', async () => {
    const cluster = await startNatsCluster(3);
    ends.push(() => cluster.stop());
    await prepare(cluster.url, 3);
    const partition = await played(cluster.url, 4);
    const rivals = [
      insist((await replica(cluster.url, 'one')).own, 1_000),
      insist((await replica(cluster.url, 'other')).own),
    ];
    await partition.submit(8);
    const { cluster: state } = await (await partition.log.manager()).streams.info('FLEX');
    const leader = cluster.nodes[Number(state!.leader!.at(-1)) - 1]!;
    await leader.kill();
    await partition.submit(12);
    await partition.until('every run ends', () => partition.open.length === 0);
    await leader.restart();
    await Promise.all(rivals.map((rival) => rival.stop()));
    expect(partition.violations()).toEqual([]);
  }, 120_000);
});
