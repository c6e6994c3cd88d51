import type { Problem } from '@flex/contracts';

/** The gateway said no, and why: `problem.code` for programs, `problem.errors` with pointers into what was sent. */
export class FlexProblem extends Error {
  override readonly name = 'FlexProblem';
  constructor(readonly problem: Problem) {
    super(problem.detail ? `${problem.title}: ${problem.detail}` : problem.title);
  }

  get status(): number {
    return this.problem.status;
  }
  get code(): string {
    return this.problem.code;
  }
  /** Seconds to wait, when waiting can help. */
  get retryAfter(): number | undefined {
    const seconds = this.problem.extensions?.['retryAfter'];
    return typeof seconds === 'number' ? seconds : undefined;
  }
}

/** The gateway could not be reached, or the connection broke. */
export class FlexUnreachable extends Error {
  override readonly name = 'FlexUnreachable';
}
