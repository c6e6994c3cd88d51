/** A failure that the person at the terminal can do something about: shown as one line, never with a stack trace. */
export class OperatorError extends Error {
  constructor(
    message: string,
    /** What the operator can do about it. */
    readonly advice?: string,
  ) {
    super(message);
    this.name = 'OperatorError';
  }
}
