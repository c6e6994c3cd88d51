import type { Failure } from '@flex/contracts';
import { RetryableError } from './errors.js';

const LONGEST_MESSAGE = 2_000;

/** What a handler threw, as the report carries it. An error that says nothing about itself is worth another try. */
export function failureOf(error: unknown): Failure {
  if (error instanceof RetryableError) {
    const { code, retryable, issues } = error;
    return { code, message: text(error), retryable, ...(issues ? { issues } : {}) };
  }
  const code = (error as { code?: unknown } | null)?.code;
  const retryable = (error as { retryable?: unknown } | null)?.retryable;
  return {
    code: typeof code === 'string' && code !== '' ? code : 'WORKER_ERROR',
    message: text(error),
    retryable: retryable !== false,
  };
}

const text = (error: unknown): string => {
  const message = error instanceof Error ? error.message || error.name : String(error);
  return message.length > LONGEST_MESSAGE ? `${message.slice(0, LONGEST_MESSAGE)}…` : message;
};
