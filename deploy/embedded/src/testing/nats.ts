/** Real nats-servers for tests: one, or a cluster of three, each with its own folder and ports. */
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findNatsServer } from '../nats-binary.js';
import { greetingOf, natsConfiguration, type NatsSettings, type SyncMode } from '../nats-server.js';
import { freePorts } from '../tcp-ports.js';
import { guard } from './guard.js';

export interface TestNatsOptions {
  port?: number;
  /** `default` unless said otherwise: tests don't survive power failures. */
  sync?: SyncMode;
  /** Further lines of server configuration, e.g. accounts and permissions. */
  extra?: string;
}

export interface TestNats {
  url: string;
  port: number;
  dir: string;
  pid(): number | undefined;
  /** Stops the server and deletes its folder. */
  stop(): Promise<void>;
  /** Stops it if it runs (gracefully), and starts it again with the same port and data. */
  restart(): Promise<void>;
  /** SIGKILL, as a crash: it stays down until `restart()`. */
  kill(): Promise<void>;
  /** SIGSTOP / SIGCONT: connections stay open, nothing answers. */
  pause(): void;
  resume(): void;
}

export interface TestNatsCluster {
  /** All servers, comma separated. */
  url: string;
  nodes: TestNats[];
  stop(): Promise<void>;
}

const START_TIMEOUT_MS = 20_000;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function until(condition: () => Promise<boolean>, whyNot: () => string): Promise<void> {
  const deadline = performance.now() + START_TIMEOUT_MS;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(whyNot());
    await pause(20);
  }
}

function server(dir: string, settings: NatsSettings): TestNats & { start(): Promise<void> } {
  const binary = findNatsServer();
  const config = join(dir, 'nats.conf');
  const log = join(dir, 'nats.log');
  const url = `nats://127.0.0.1:${settings.port}`;
  writeFileSync(config, natsConfiguration(settings));
  let child: ChildProcess | undefined;
  let ended: Promise<void> = Promise.resolve();

  const start = async () => {
    const output = openSync(log, 'a');
    const started = spawn(binary, ['-c', config], { stdio: ['ignore', output, output] });
    closeSync(output);
    child = started;
    ended = new Promise((resolve) =>
      started.once('close', () => {
        if (child === started) child = undefined;
        resolve();
      }),
    );
    if (started.pid) guard(started.pid, process.pid, dir);
    started.unref();
    await until(
      async () => {
        if (child !== started)
          throw new Error(`nats-server ended at once:\n${readFileSync(log, 'utf8').slice(-2_000)}`);
        return (await greetingOf(url)) !== undefined;
      },
      () => `nats-server didn't start:\n${readFileSync(log, 'utf8').slice(-2_000)}`,
    );
  };
  const end = async (name: NodeJS.Signals) => {
    // Whoever waits for its end must live to see it.
    child?.ref();
    child?.kill('SIGCONT');
    child?.kill(name);
    await ended;
  };
  return {
    url,
    port: settings.port,
    dir,
    pid: () => child?.pid,
    start,
    stop: async () => {
      await end('SIGTERM');
      rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
    },
    restart: async () => {
      await end('SIGTERM');
      await start();
    },
    kill: () => end('SIGKILL'),
    pause: () => void child?.kill('SIGSTOP'),
    resume: () => void child?.kill('SIGCONT'),
  };
}

/** One nats-server with JetStream, on a free port and a folder of its own. */
export async function startNats(options: TestNatsOptions = {}): Promise<TestNats> {
  const dir = mkdtempSync(join(tmpdir(), 'flex-test-nats-'));
  const [free] = await freePorts(1);
  const nats = server(dir, {
    port: options.port ?? (free as number),
    storeDir: join(dir, 'jetstream'),
    serverName: 'flex-test',
    sync: options.sync ?? 'default',
    extra: options.extra,
  });
  await nats.start();
  return nats;
}

/** Whether the server with this monitoring port leads the cluster, and every other one keeps up with it. */
async function leadsAll(monitorPort: number, size: number): Promise<boolean> {
  try {
    const response = await fetch(`http://127.0.0.1:${monitorPort}/jsz`);
    const { meta_cluster: meta } = (await response.json()) as {
      meta_cluster?: { replicas?: { current: boolean; offline?: boolean }[] };
    };
    const followers = meta?.replicas?.filter(({ current, offline }) => current && !offline) ?? [];
    return followers.length === size - 1;
  } catch {
    return false;
  }
}

/** A cluster on loopback, ready for replicated streams (a meta leader is elected and every node caught up). */
export async function startNatsCluster(
  size = 3,
  options: Omit<TestNatsOptions, 'port'> = {},
): Promise<TestNatsCluster> {
  const ports = await freePorts(size * 3);
  const routes = ports.slice(size, size * 2);
  const monitors = ports.slice(size * 2);
  const nodes = ports.slice(0, size).map((port, index) => {
    const dir = mkdtempSync(join(tmpdir(), `flex-test-nats-${index + 1}-`));
    return server(dir, {
      port,
      storeDir: join(dir, 'jetstream'),
      serverName: `flex-test-${index + 1}`,
      sync: options.sync ?? 'default',
      monitorPort: monitors[index],
      cluster: { name: 'flex-test', port: routes[index] as number, routes },
      extra: options.extra,
    });
  });
  const stop = async () => void (await Promise.all(nodes.map((node) => node.stop())));
  try {
    await Promise.all(nodes.map((node) => node.start()));
    const ready = async () => (await Promise.all(monitors.map((port) => leadsAll(port, size)))).includes(true);
    await until(ready, () => 'the NATS cluster found no leader that all others follow');
  } catch (error) {
    await stop();
    throw error;
  }
  return { url: nodes.map((node) => node.url).join(','), nodes, stop };
}
