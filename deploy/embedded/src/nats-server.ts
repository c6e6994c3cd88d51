/** How the embedded nats-server is configured, and when it is ready. */
import { connect } from 'node:net';

export type SyncMode = 'always' | 'default';

export interface NatsSettings {
  port: number;
  storeDir: string;
  serverName: string;
  /** `always`: fsync before every acknowledgement. `default`: every two minutes; a power failure loses acknowledged writes. */
  sync: SyncMode;
  monitorPort?: number;
  cluster?: { name: string; port: number; routes: number[] };
  /** Further configuration in the server's own language, e.g. users and permissions. */
  extra?: string;
}

/** The text of nats-server's configuration file. */
export function natsConfiguration(settings: NatsSettings): string {
  const { cluster } = settings;
  return [
    `server_name: ${JSON.stringify(settings.serverName)}`,
    `listen: "127.0.0.1:${settings.port}"`,
    ...(settings.monitorPort ? [`http: "127.0.0.1:${settings.monitorPort}"`] : []),
    'max_payload: 1MB',
    'jetstream {',
    `  store_dir: ${JSON.stringify(settings.storeDir)}`,
    ...(settings.sync === 'always' ? ['  sync_interval: always'] : []),
    '}',
    ...(cluster
      ? [
          'cluster {',
          `  name: ${JSON.stringify(cluster.name)}`,
          `  listen: "127.0.0.1:${cluster.port}"`,
          `  routes: [${cluster.routes.map((port) => `"nats://127.0.0.1:${port}"`).join(', ')}]`,
          '}',
        ]
      : []),
    ...(settings.extra ? [settings.extra] : []),
    '',
  ].join('\n');
}

/** The server's greeting: it is sent before any authentication. */
export interface NatsGreeting {
  version: string;
  jetstream?: boolean;
}

/** Connects and reads the greeting; undefined when nothing (or something else) answers there. */
export function greetingOf(url: string, timeoutMs = 1_000): Promise<NatsGreeting | undefined> {
  return new Promise((resolve) => {
    let host = '127.0.0.1';
    let port = 4222;
    try {
      const parsed = new URL(url.includes('://') ? url : `nats://${url}`);
      host = parsed.hostname || host;
      port = Number(parsed.port || port);
    } catch {
      resolve(undefined);
      return;
    }
    let text = '';
    const socket = connect({ host, port });
    const answer = (value: NatsGreeting | undefined) => {
      socket.destroy();
      resolve(value);
    };
    socket.setTimeout(timeoutMs, () => answer(undefined));
    socket.once('error', () => answer(undefined));
    socket.once('close', () => resolve(undefined));
    socket.on('data', (chunk) => {
      text += chunk.toString('utf8');
      const end = text.indexOf('\r\n');
      if (end < 0) return;
      try {
        answer(text.startsWith('INFO ') ? (JSON.parse(text.slice(5, end)) as NatsGreeting) : undefined);
      } catch {
        answer(undefined);
      }
    });
  });
}
