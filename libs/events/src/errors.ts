export { ContractViolation } from '@flex/contracts';

/** Another owner has claimed the partition since: whatever this owner still wanted to say, the server refuses. */
export class FenceLost extends Error {
  override readonly name = 'FenceLost';
  constructor(
    readonly partition: number,
    readonly claim: number,
  ) {
    super(`partition ${partition} was claimed by another owner after sequence ${claim}`);
  }
}

/** The log could not be reached, or gave no answer, for longer than the caller was ready to wait. */
export class LogUnavailable extends Error {
  override readonly name = 'LogUnavailable';
}

/** The server answered, and the answer was no. `code` is JetStream's `err_code`. */
export class AppendRefused extends Error {
  override readonly name = 'AppendRefused';
  constructor(
    readonly code: number,
    description: string,
  ) {
    super(description);
  }
}

/** JetStream's ways to say that the expected last sequence was another. */
export const WRONG_LAST_SEQUENCE: ReadonlySet<number> = new Set([10071, 10164]);

/** The log refused because something else was appended first. */
export const isOvertaken = (error: unknown): boolean =>
  error instanceof AppendRefused && WRONG_LAST_SEQUENCE.has(error.code);

/** The NATS server cannot carry Flex: too old, without JetStream, or with a log of another shape. */
export class UnsuitableServer extends Error {
  override readonly name = 'UnsuitableServer';
}

/** One readable line for any error: no stack, no nesting, the cause where it says more. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error && error.cause.message !== error.message ? `: ${error.cause.message}` : '';
  return `${error.message}${cause}`.split('\n')[0] ?? '';
}
