/**
 * Writes the users and permissions of NATS into the deployments, from the table in libs/events/src/permissions.ts.
 * Run it whenever a service gets to append or read something new:
 *
 *   ./flex exec node deploy/scripts/write-nats-users.mjs
 *
 * With a file of agents it prints a configuration in which each of them has a user of its own besides, who takes, reports,
 * beats and registers for its own capabilities only (docs/operations.md, "A user for each agent"):
 *
 *   ./flex exec node deploy/scripts/write-nats-users.mjs --agents agents.json > users.conf
 *
 * The passwords stay out of the files: nats-server reads them from its environment, `$<USER>_PASSWORD`.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { agentUsers, busUsers, natsAuthorization, serviceUsers } from '@flex/events';

const { values } = parseArgs({ options: { agents: { type: 'string' } } });
const secretOf = (user) => `$${user.toUpperCase().replaceAll('-', '_')}_PASSWORD`;
const services = serviceUsers(Object.fromEntries(busUsers.map((user) => [user, secretOf(user)])));
const text = (users) => `# Written by deploy/scripts/write-nats-users.mjs; do not edit.\n${natsAuthorization(users)}`;

if (values.agents !== undefined) {
  const agents = agentsIn(JSON.parse(readFileSync(values.agents, 'utf8')));
  // An agent that is served by the shared user could touch everybody's work: where agents have users, it is left out.
  process.stdout.write(text([...services.filter(({ name }) => name !== 'worker'), ...agentUsers(agents)]));
} else {
  for (const path of [
    '../compose/nats/users.conf',
    '../kubernetes/base/nats/users.conf',
    '../embedded/nats/users.conf',
  ]) {
    writeFileSync(new URL(path, import.meta.url), text(services));
  }
}

function agentsIn(list) {
  const token = /^[A-Za-z][A-Za-z0-9_-]*$/;
  const capability = /^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/;
  const taken = new Set(busUsers.filter((user) => user !== 'worker'));
  if (!Array.isArray(list)) fail('the file must hold a list');
  return list.map((agent, index) => {
    const { user, tenant, capabilities } = agent ?? {};
    if (!token.test(user ?? '') || taken.has(user)) fail(`/${index}/user must be a name of its own`);
    taken.add(user);
    if (tenant !== undefined && !token.test(tenant)) fail(`/${index}/tenant is not the name of a tenant`);
    if (!Array.isArray(capabilities) || capabilities.length === 0 || !capabilities.every((id) => capability.test(id)))
      fail(`/${index}/capabilities must be a list of capability ids`);
    return { ...agent, password: secretOf(user) };
  });
}

function fail(reason) {
  process.stderr.write(`write-nats-users: ${values.agents}: ${reason}\n`);
  process.exit(2);
}
