import { frameTypes, parseFrameId, type FrameCursor } from '@flex/contracts';
import type { GatewayRequest } from '../security/caller.js';
import { refuse } from './problems.js';
import { namesOf } from './query-names.js';

export interface StreamWish {
  cursor: FrameCursor | undefined;
  types: ReadonlySet<string> | undefined;
  snapshot: boolean;
}

/** What a client wants of a stream, from the header `Last-Event-ID` and the query. */
export function streamWishOf(request: GatewayRequest): StreamWish {
  const { types, snapshot, lastEventId } = request.query as Record<string, string | undefined>;
  const header = request.headers['last-event-id'];
  const given = (typeof header === 'string' && header !== '' ? header : lastEventId) || undefined;
  const cursor = given === undefined ? undefined : parseFrameId(given);
  if (given !== undefined && !cursor) throw refuse.invalidCursor(given);
  return { cursor, types: namesOf('types', types, frameTypes), snapshot: snapshot === 'true' };
}
