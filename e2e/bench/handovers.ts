import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connectNats, LOG_STREAM } from '@flex/events';

interface Claim {
  partition: string;
  owner: string;
  /** As the server stamped it, milliseconds since the epoch. */
  time: number;
}

export interface Handover {
  partitions: number;
  /** From the signal to the moment when the last of its partitions was claimed by another replica. */
  takenOverMs: number;
}

/** Every claim of a partition that lies in the log, in order. */
export async function readClaims(natsUrl: string): Promise<Claim[]> {
  const nc = await connectNats({ url: natsUrl, name: 'flex-bench' });
  try {
    const filter = 'partition.claimed.>';
    const { state } = await (await jetstreamManager(nc)).streams.info(LOG_STREAM, { subjects_filter: filter });
    const count = Object.values(state.subjects ?? {}).reduce((sum, n) => sum + n, 0);
    const consumer = await jetstream(nc).consumers.get(LOG_STREAM, { filter_subjects: [filter] });
    const claims: Claim[] = [];
    if (count === 0) return claims;
    for await (const message of await consumer.consume()) {
      const { owner } = message.json<{ owner: string }>();
      claims.push({ partition: message.subject, owner, time: Number(message.timestampNanos / 1_000_000n) });
      if (message.info.pending === 0) break;
    }
    return claims;
  } finally {
    await nc.close();
  }
}

/** What became of the partitions of a replica that was told to end at `at`. */
export function handoverOf(claims: readonly Claim[], owner: string, at: number): Handover {
  const before = new Map<string, string>();
  for (const claim of claims) if (claim.time < at) before.set(claim.partition, claim.owner);
  const owned = [...before].filter(([, who]) => who === owner).map(([partition]) => partition);
  const taken = owned.map((partition) => claims.find((c) => c.partition === partition && c.time >= at)?.time ?? NaN);
  return { partitions: owned.length, takenOverMs: Math.max(0, ...taken.map((time) => time - at)) };
}
