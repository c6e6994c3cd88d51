/** The configurations of NATS in deploy/, on real servers: that of Kubernetes as a cluster of three, with its users. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseAllDocuments } from 'yaml';
import { busUsers, connectNats, Durable, ensureStreams, EventLog, inboxPrefixFor, type BusUser } from '@flex/events';
import { natsServerBinary } from '@flex/events/testing';
import { CHECKOUT } from './checkout.js';
import { freePorts } from './tcp-ports.js';

const DEPLOY = join(CHECKOUT, 'deploy');
const USERS = 'kubernetes/base/nats/users.conf';
const SERVERS = [0, 1, 2];
const passwordOf = (user: string): string => `of-${user}`;
const environment = {
  ...process.env,
  ...Object.fromEntries(busUsers.map((user) => [`${user.toUpperCase()}_PASSWORD`, passwordOf(user)])),
};

describe('configurations of NATS', () => {
  const folder = mkdtempSync(join(tmpdir(), 'flex-nats-'));
  const children: ChildProcess[] = [];
  afterAll(async () => {
    await Promise.all(
      children.map(async (child) => {
        const ended = new Promise((resolve) => child.once('exit', resolve));
        if (child.exitCode === null && child.kill('SIGKILL')) await ended;
      }),
    );
    rmSync(folder, { recursive: true, force: true });
  });

  /** As it is mounted: the configuration with its users beside it. */
  function mounted(name: string, conf: string, users: string, change = (text: string): string => text): string {
    const place = join(folder, name);
    mkdirSync(place);
    copyFileSync(join(DEPLOY, users), join(place, 'users.conf'));
    writeFileSync(join(place, 'nats.conf'), change(readFileSync(join(DEPLOY, conf), 'utf8')));
    return join(place, 'nats.conf');
  }

  it.each([
    ['compose', 'compose/nats/nats.conf', 'compose/nats/users.conf'],
    ['production', 'kubernetes/base/nats/nats.conf', USERS],
    ['dev', 'kubernetes/overlays/dev/nats.conf', USERS],
  ])('%s: is valid', (name, conf, users) => {
    const file = mounted(`valid-${name}`, conf, users);
    execFileSync(natsServerBinary(), ['-t', '-c', file], {
      env: { ...environment, POD_NAME: 'nats-0' },
      stdio: 'pipe',
    });
  });

  it('makes a cluster of three, of which one server can tell what waits for a consumer, as the autoscaler asks', async () => {
    const ports = await freePorts(9);
    const [client, route, monitor] = [0, 3, 6].map((first) => (i: number) => ports[first + i]!);
    for (const i of SERVERS) {
      const file = mounted(`nats-${i}`, 'kubernetes/base/nats/nats.conf', USERS, (text) =>
        text
          .replace('"0.0.0.0:4222"', `"127.0.0.1:${client!(i)}"`)
          .replace('"0.0.0.0:6222"', `"127.0.0.1:${route!(i)}"`)
          .replace('"0.0.0.0:8222"', `"127.0.0.1:${monitor!(i)}"`)
          .replace('"/data"', JSON.stringify(join(folder, `nats-${i}`, 'data')))
          .replaceAll(/nats-(\d)\.nats:6222/g, (_, other: string) => `127.0.0.1:${route!(Number(other))}`),
      );
      const env = { ...environment, POD_NAME: `nats-${i}` };
      children.push(spawn(natsServerBinary(), ['-c', file], { env, stdio: 'ignore' }));
    }
    const url = SERVERS.map((i) => `nats://127.0.0.1:${client!(i)}`).join(',');
    const connect = (user: BusUser) =>
      connectNats({ url, name: user, user, pass: passwordOf(user), inboxPrefix: inboxPrefixFor(user) });
    await eventually(async () => {
      const answers = await Promise.all(SERVERS.map((i) => fetch(`http://127.0.0.1:${monitor!(i)}/healthz`)));
      return answers.every(({ ok }) => ok);
    });
    const connections = await Promise.all((['orchestrator', 'planner'] as const).map(connect));
    const [orchestrator, planner] = connections;
    try {
      const shape = await eventually(() => ensureStreams(orchestrator!, { replicas: SERVERS.length }));
      expect(shape.replicas).toBe(3);
      const jsm = await new EventLog(planner!, 'planner', shape).manager();
      await eventually(() =>
        jsm.consumers.add('FLEX', {
          durable_name: Durable.planner,
          ack_policy: 'explicit',
          filter_subject: 'plan.requested.>',
        }),
      );
      for (let i = 0; i < 5; i++) await orchestrator!.request(`plan.requested.00.run-${i}`, '{}', { timeout: 5_000 });

      // Once its leader is settled: it says 5, and the two others nothing.
      await eventually(async () => {
        const told = await Promise.all(SERVERS.map((i) => lagOf(monitor!(i), Durable.planner)));
        expect(told.map(({ pending }) => pending)).toEqual(
          SERVERS.map((i) => (`nats-${i}` === told[i]!.leader ? 5 : 0)),
        );
        expect(told.map(({ pending }) => pending).sort()).toEqual([0, 0, 5]);
        return true;
      });
    } finally {
      await Promise.all(connections.map((connection) => connection.close()));
    }
  }, 120_000);
});

interface Told {
  pending: number;
  leader: string;
}

/** What KEDA's scaler asks a server, with the account of the ScaledObjects. */
async function lagOf(port: number, durable: string): Promise<Told> {
  const objects = parseAllDocuments(readFileSync(join(DEPLOY, 'kubernetes/autoscaling/on-lag.yaml'), 'utf8'));
  const triggers = objects.flatMap((object) => (object.toJS() as ScaledObject).spec.triggers);
  const { account, stream, consumer } = triggers.find(({ metadata }) => metadata.consumer === durable)!.metadata;
  const response = await fetch(`http://127.0.0.1:${port}/jsz?acc=${account}&consumers=true&config=true`);
  const { account_details } = (await response.json()) as Jsz;
  const streams = account_details.find(({ name }) => name === account)!.stream_detail;
  const consumers = streams.find(({ name }) => name === stream)!.consumer_detail!;
  const found = consumers.find(({ name }) => name === consumer)!;
  return { pending: found.num_pending, leader: found.cluster.leader };
}

interface ScaledObject {
  spec: { triggers: { metadata: Record<'account' | 'stream' | 'consumer', string> }[] };
}
interface Jsz {
  account_details: {
    name: string;
    stream_detail: {
      name: string;
      consumer_detail?: { name: string; num_pending: number; cluster: { leader: string } }[];
    }[];
  }[];
}

/** What comes out once it neither fails nor is false: a cluster elects its leaders first. */
async function eventually<T>(attempt: () => Promise<T | false>): Promise<T> {
  for (const deadline = Date.now() + 60_000; ;) {
    const last = Date.now() > deadline;
    try {
      const result = await attempt();
      if (result !== false) return result;
      if (last) throw new Error('it did not come about');
    } catch (error) {
      if (last) throw error;
    }
    await delay(100);
  }
}
