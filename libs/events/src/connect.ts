import { readFileSync } from 'node:fs';
import {
  connect,
  credsAuthenticator,
  usernamePasswordAuthenticator,
  type Authenticator,
  type NatsConnection,
  type NodeConnectionOptions,
} from '@nats-io/transport-node';
import { coalesceWrites } from './coalesce-writes.js';
import { reasonOf, UnsuitableServer } from './errors.js';

export interface NatsOptions {
  /** One URL or several, separated by commas; credentials may be part of it. */
  url: string;
  /** Shown by the server in its connection list and logs. */
  name: string;
  user?: string;
  pass?: string;
  /** Path of a `.creds` file, where the server uses JWT accounts. */
  creds?: string;
  tls?: { caFile?: string; certFile?: string; keyFile?: string };
  /** The prefix of reply subjects; permissions give each service its own (see permissions.ts). */
  inboxPrefix?: string;
  /** How long the first connection may take, in milliseconds. Afterwards reconnecting never gives up. */
  connectTimeoutMs?: number;
}

/** Needed: message schedules, per-message TTL, fencing by another subject, direct batched get, multi-filter consumers. */
export const MINIMUM_NATS_VERSION = '2.12.0';

/**
 * Connects, and makes sure that this server can carry the log. Throws {@link UnsuitableServer} with one line that says
 * what to do; a server that goes away later is waited for, for ever.
 */
export async function connectNats(options: NatsOptions): Promise<NatsConnection> {
  const target = options.url.replace(/\/\/[^@/]*@/g, '//');
  let connection: NatsConnection;
  try {
    connection = await connect(connectionOptions(options));
  } catch (error) {
    throw new UnsuitableServer(`cannot reach NATS at ${target}: ${reasonOf(error)}`, { cause: error });
  }
  const fault = unsuitable(connection.info?.version ?? '', connection.info?.jetstream === true);
  if (fault !== undefined) {
    await connection.close();
    throw new UnsuitableServer(`NATS at ${target} ${fault}`);
  }
  coalesceWrites(connection);
  return connection;
}

/** Why a server of this version cannot be used, or undefined when it can. */
export function unsuitable(version: string, jetstream: boolean): string | undefined {
  if (!atLeast(version, MINIMUM_NATS_VERSION)) {
    return `is version ${version || 'unknown'}; Flex needs nats-server ${MINIMUM_NATS_VERSION} or newer`;
  }
  if (!jetstream) return 'has JetStream disabled; start nats-server with -js or a jetstream block in its configuration';
  return undefined;
}

function atLeast(version: string, minimum: string): boolean {
  const found = version.split(/[.-]/).map(Number);
  for (const [index, wanted] of minimum.split('.').map(Number).entries()) {
    const part = found[index] ?? Number.NaN;
    if (Number.isNaN(part) || part < wanted) return false;
    if (part > wanted) return true;
  }
  return true;
}

/** Passwords in a URL arrive percent-encoded. */
function credentials(options: NatsOptions): { user?: string; pass?: string } {
  if (options.user !== undefined) return { user: options.user, pass: options.pass };
  const found = /\/\/([^:@/]*):([^@/]*)@/.exec(options.url);
  if (!found) return {};
  return { user: decodeURIComponent(found[1] ?? ''), pass: decodeURIComponent(found[2] ?? '') };
}

function connectionOptions(options: NatsOptions): NodeConnectionOptions {
  const { user, pass } = credentials(options);
  const authenticator: Authenticator[] = [];
  if (options.creds) authenticator.push(credsAuthenticator(readFileSync(options.creds)));
  if (user !== undefined) authenticator.push(usernamePasswordAuthenticator(user, pass));
  return {
    servers: options.url.split(',').map((url) => url.trim().replace(/\/\/[^@/]*@/, '//')),
    name: options.name,
    timeout: options.connectTimeoutMs ?? 5_000,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 100,
    reconnectJitter: 100,
    // A connection that died without a FIN is noticed after two unanswered pings.
    pingInterval: 5_000,
    maxPingOut: 2,
    ignoreAuthErrorAbort: true,
    // Captured stack traces cost more than the request itself.
    noAsyncTraces: true,
    ...(options.inboxPrefix ? { inboxPrefix: options.inboxPrefix } : {}),
    ...(options.tls ? { tls: options.tls } : {}),
    ...(authenticator.length > 0 ? { authenticator } : {}),
  };
}
