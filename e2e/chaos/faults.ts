import { setTimeout as delay } from 'node:timers/promises';
import { readState, signal, type ProcessRecord } from '@flex/embedded';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { headers } from '@nats-io/nats-core';
import { connect } from '@nats-io/transport-node';
import type { Random } from './random.js';

/** Longer than a partition's lease: whoever is stopped for so long has lost it when it wakes up. */
const PAUSE_MS = 7_000;

/** Does one thing that must do no harm, and says what. */
export async function fault(random: Random, home: string, natsUrl: string, killWorker: () => void): Promise<string> {
  const processes = (readState(home)?.processes ?? []).filter((record) => !record.helper);
  const kind = random.below(12);
  if (kind === 0) {
    killWorker();
    return 'killed the counter worker';
  }
  if (kind === 1) return await duplicate(random, natsUrl).catch(() => 'could not duplicate: the log is away');
  const wanted =
    kind < 4
      ? 'orchestrator'
      : kind === 4
        ? 'nats'
        : kind === 5
          ? 'postgres'
          : random.pick(['gateway', 'planner', 'policy', 'registry', 'orchestrator']);
  const candidates = processes.filter((record) => record.name === wanted || record.service === wanted);
  if (candidates.length === 0) return `no ${wanted} to harm just now`;
  const target = random.pick(candidates);
  if (kind === 2) return await pause(target);
  signal(target, 'SIGKILL');
  return `killed ${target.name}`;
}

async function pause(target: ProcessRecord): Promise<string> {
  signal(target, 'SIGSTOP');
  await delay(PAUSE_MS);
  signal(target, 'SIGCONT');
  return `paused ${target.name} for ${PAUSE_MS / 1000} s`;
}

/** Appends reports and verdicts once more under new ids, as a network that repeats itself late would. */
async function duplicate(random: Random, natsUrl: string): Promise<string> {
  const nc = await connect({ servers: natsUrl, timeout: 2_000 });
  try {
    const jsm = await jetstreamManager(nc);
    const { state } = await jsm.streams.info('FLEX');
    let copies = 0;
    for (let i = 0; i < 30; i++) {
      const seq = state.first_seq + random.below(state.last_seq - state.first_seq + 1);
      const message = await jsm.streams.getMessage('FLEX', { seq }).catch(() => null);
      if (
        !message ||
        !/^(node\.reported|plan\.drafted|policy\.(evaluated|triggered|normalized))\./.test(message.subject)
      )
        continue;
      const copy = headers();
      for (const key of message.header.keys()) copy.set(key, message.header.get(key));
      copy.set('Nats-Msg-Id', `${message.header.get('Nats-Msg-Id')}.again.${seq}.${copies}`);
      await jetstream(nc).publish(message.subject, message.data, { headers: copy });
      copies++;
    }
    return `repeated ${copies} messages`;
  } finally {
    await nc.close();
  }
}
