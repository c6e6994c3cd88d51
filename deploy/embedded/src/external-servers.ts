/** Servers that the operator runs (NATS_URL, DATABASE_URL) are used as they are, after a look whether they serve. */
import { greetingOf } from './nats-server.js';
import { isNewEnough, MINIMUM_NATS_VERSION } from './nats-binary.js';
import { OperatorError } from './operator-error.js';
import { withoutSecrets } from './shown-url.js';
import { whyNotServing } from './postgres-server.js';

export async function checkNats(urls: string): Promise<void> {
  const greetings = await Promise.all(urls.split(',').map((url) => greetingOf(url.trim(), 3_000)));
  const greeting = greetings.find((found) => found !== undefined);
  if (!greeting)
    throw new OperatorError(
      `no NATS server answers at NATS_URL=${withoutSecrets(urls)}`,
      'Start it, or unset NATS_URL to use the embedded one.',
    );
  if (!isNewEnough(greeting.version)) {
    throw new OperatorError(
      `the NATS server at NATS_URL=${withoutSecrets(urls)} is ${greeting.version}: too old`,
      `Flex needs nats-server >= ${MINIMUM_NATS_VERSION}.`,
    );
  }
  if (!greeting.jetstream) {
    throw new OperatorError(
      `the NATS server at NATS_URL=${withoutSecrets(urls)} has no JetStream`,
      'Start it with -js or a jetstream block.',
    );
  }
}

export async function checkPostgres(url: string): Promise<void> {
  const why = await whyNotServing(url, 3_000);
  if (why)
    throw new OperatorError(
      `Postgres at DATABASE_URL=${withoutSecrets(url)} doesn't serve: ${why}`,
      'Start it, or unset DATABASE_URL to use the embedded one.',
    );
}
