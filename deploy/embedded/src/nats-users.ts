/**
 * The users of the embedded nats-server: one for each service, with the permissions that deploy/scripts wrote from the
 * table of libs/events. Passwords are made anew at every start; services get theirs in their environment.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CHECKOUT } from './checkout.js';
import { OperatorError } from './operator-error.js';
import { SERVICES, type ServiceName } from './settings.js';

type User = ServiceName | 'operator';

export interface NatsUsers {
  /** Lines of nats-server's configuration. They hold no password. */
  configuration: string;
  /** Where the server finds the passwords. */
  environment: Record<string, string>;
  passwordOf(user: User): string;
}

/** What goes into a URL and into the configuration's language unescaped, and is not taken for a number there. */
const PASSWORD = /^[A-Za-z][A-Za-z0-9_-]{7,}$/;

/**
 * Agents of others are workers. As long as the gateway is open to everybody on this machine, so is the bus, for workers
 * only; with keys for the gateway, or a password for workers, an agent has to say who it is.
 */
export function natsUsers(env: NodeJS.ProcessEnv): NatsUsers {
  const chosen = env['FLEX_NATS_WORKER_PASSWORD'] || undefined;
  if (chosen !== undefined && !PASSWORD.test(chosen)) {
    throw new OperatorError(
      'FLEX_NATS_WORKER_PASSWORD cannot be used',
      'It needs at least eight letters, digits, _ or -, and a letter first.',
    );
  }
  const users: User[] = [...SERVICES, 'operator'];
  const passwords = new Map(users.map((user) => [user, `p${randomBytes(18).toString('hex')}`]));
  if (chosen !== undefined) passwords.set('worker', chosen);
  const open = chosen === undefined && !env['FLEX_API_KEYS'] && !env['FLEX_JWKS_URL'];
  const table = readFileSync(join(CHECKOUT, 'deploy/embedded/nats/users.conf'), 'utf8');
  return {
    configuration: open ? `no_auth_user: worker\n${table}` : table,
    environment: Object.fromEntries(users.map((user) => [`${user.toUpperCase()}_PASSWORD`, passwords.get(user)!])),
    passwordOf: (user) => passwords.get(user)!,
  };
}
