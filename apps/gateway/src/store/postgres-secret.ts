import { randomBytes } from 'node:crypto';
import type { Kysely } from 'kysely';
import type { GatewayDatabase } from './gateway-schema.js';

/** A secret that all replicas share and nobody has to configure: made by whoever needs it first. */
export function sharedSecret(db: Kysely<GatewayDatabase>, name: string): () => Promise<Buffer> {
  let known: Promise<Buffer> | undefined;
  const read = async (): Promise<Buffer> => {
    await db
      .insertInto('gateway.secrets')
      .values({ name, secret: randomBytes(32) })
      .onConflict((conflict) => conflict.column('name').doNothing())
      .execute();
    const row = await db
      .selectFrom('gateway.secrets')
      .select('secret')
      .where('name', '=', name)
      .executeTakeFirstOrThrow();
    return row.secret;
  };
  return () =>
    (known ??= read().catch((error: unknown) => {
      known = undefined;
      throw error;
    }));
}
