import type { Kysely } from 'kysely';
import type { GatewayDatabase } from './gateway-schema.js';

/** Of the read models; the archive has one of its own. */
export const READ_MODELS = 'read-models';

/** Up to which sequence of the log something was done; 0 at the beginning. */
export async function storedCheckpoint(db: Kysely<GatewayDatabase>, name: string): Promise<number> {
  const row = await db.selectFrom('gateway.checkpoints').select('seq').where('name', '=', name).executeTakeFirst();
  return Number(row?.seq ?? 0);
}
