import { freePorts } from '@flex/embedded';

/**
 * Ports for a stack of one's own. Left to itself a stack takes the usual ones if they are free, and of two that come up at
 * the same moment, as those of two test files do, both would find them free.
 */
export async function ownPorts(): Promise<NodeJS.ProcessEnv> {
  const [gateway, nats, postgres] = await freePorts(3);
  return { FLEX_PORT: String(gateway), FLEX_NATS_PORT: String(nats), FLEX_PG_PORT: String(postgres) };
}
