import type { ValidationIssue } from '@flex/contracts';

interface StepErrorOptions extends ErrorOptions {
  /** Stable, for programs and policies; default `WORKER_ERROR`. */
  code?: string;
  issues?: ValidationIssue[];
}

/** A step failed in a way that trying again may cure: the network, a busy service, an unlucky answer of a model. */
export class RetryableError extends Error {
  override readonly name: string = 'RetryableError';
  readonly retryable: boolean = true;
  readonly code: string;
  readonly issues: ValidationIssue[] | undefined;

  constructor(message: string, options: StepErrorOptions = {}) {
    super(message, options);
    this.code = options.code ?? 'WORKER_ERROR';
    this.issues = options.issues;
  }
}

/** A step failed for good: no retry of the same inputs can help. The plan's fallbacks come next. */
export class FatalError extends RetryableError {
  override readonly name: string = 'FatalError';
  override readonly retryable: boolean = false;
}
