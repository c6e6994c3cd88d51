/** A failure that the person at the terminal can do something about: shown as one line, never with a stack trace. */
export class OperatorError extends Error {
  override readonly name: string = 'OperatorError';

  constructor(
    message: string,
    /** What the operator can do about it. */
    readonly advice?: string,
  ) {
    super(message);
  }
}

/** A command line that was not understood: exit code 2, as everywhere in the CLI. */
export class UsageError extends OperatorError {
  override readonly name = 'UsageError';
}
