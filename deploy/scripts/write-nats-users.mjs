/**
 * Writes the users and permissions of NATS into the deployments, from the table in libs/events/src/permissions.ts.
 * Run it after `./flex build`, whenever a service gets to append or read something new:
 *
 *   ./flex exec node deploy/scripts/write-nats-users.mjs
 *
 * The passwords stay out of the files: nats-server reads them from its environment.
 */
import { writeFileSync } from 'node:fs';
import { natsAuthorization } from '@flex/events';

const users = ['gateway', 'planner', 'policy', 'registry', 'orchestrator', 'worker', 'operator'];
const passwords = Object.fromEntries(users.map((user) => [user, `$${user.toUpperCase()}_PASSWORD`]));
const text = `# Written by deploy/scripts/write-nats-users.mjs; do not edit.\n${natsAuthorization(passwords)}`;

for (const path of ['../compose/nats/users.conf', '../kubernetes/base/nats/users.conf']) {
  writeFileSync(new URL(path, import.meta.url), text);
}
