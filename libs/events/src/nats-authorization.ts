import { agentPermissions, permissionsOf, type Agent, type BusUser, type Permissions } from './permissions.js';

/** A user of nats-server with what it may do. */
export interface NatsUser extends Permissions {
  name: string;
  /** May be a bcrypt hash; `$NAME` is read from the server's environment. */
  password: string;
}

/** The users of the services, with one password each. */
export const serviceUsers = (passwords: Partial<Record<BusUser, string>>): NatsUser[] =>
  (Object.entries(passwords) as [BusUser, string][]).map(([name, password]) => ({
    name,
    password,
    ...permissionsOf(name),
  }));

/** Users of agents that work for their own capabilities only; each is kept from the consumers of all others. */
export const agentUsers = (agents: readonly (Agent & { password: string })[]): NatsUser[] =>
  agents.map(({ password, ...agent }) => ({ name: agent.user, password, ...agentPermissions(agent, agents) }));

/** The `authorization` block of a nats-server configuration. */
export function natsAuthorization(users: readonly NatsUser[]): string {
  return ['authorization {', '  users: [', users.map(userBlock).join(',\n'), '  ]', '}', ''].join('\n');
}

function userBlock({ name, password, publish, deny, subscribe }: NatsUser): string {
  const secret = password.startsWith('$') && !password.startsWith('$2') ? password : JSON.stringify(password);
  return [
    `    {`,
    `      user: ${name}`,
    `      password: ${secret}`,
    `      permissions: {`,
    `        publish: {`,
    list('allow', publish),
    ...(deny.length > 0 ? [list('deny', deny)] : []),
    `        }`,
    `        subscribe: {`,
    list('allow', subscribe),
    `        }`,
    `        allow_responses: true`,
    `      }`,
    `    }`,
  ].join('\n');
}

const list = (name: string, subjects: readonly string[]): string =>
  [`          ${name}: [`, ...subjects.map((subject) => `            ${JSON.stringify(subject)}`), `          ]`].join(
    '\n',
  );
