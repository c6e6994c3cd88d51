/**
 * How long the server recognises a repeated `Nats-Msg-Id`. An append retries for at most half of it, so that a retry
 * never stores twice; whatever is repeated later must be harmless by the state. Longer costs memory: about 200 bytes
 * for each message of the window.
 */
export const DEDUPE_WINDOW_MS = 120_000;

/** Repeats stop well inside the server's memory of message ids, so that a repeat can never be stored twice. */
export const GIVE_UP_AFTER_MS = DEDUPE_WINDOW_MS / 2;

/** How long one publish waits for its ack before it is repeated. */
export const ACK_TIMEOUT_MS = 3_000;

/** Milliseconds before the next try. */
export const retryDelay = (attempt: number): number => Math.min(20 * 2 ** attempt, 1_000);
