import type { LoggerService } from '@nestjs/common';
import { pino, type Logger } from 'pino';
import { traceFields } from './telemetry.js';

export type { Logger };

/** Fields that must never reach a log, wherever they stand. */
const SECRETS = [
  'password',
  'authorization',
  'apiKey',
  'token',
  '*.password',
  '*.authorization',
  '*.apiKey',
  '*.token',
];

/** Credentials in addresses and headers, which messages of libraries quote. */
const scrubbed = (text: string): string =>
  text
    .replaceAll(/(:\/\/[^\s:@/]*):[^\s@/]+@/g, '$1:[redacted]@')
    .replaceAll(/\b(bearer|basic) +[\w.~+/=-]{6,}/gi, '$1 [redacted]');

function withoutSecrets(fields: Record<string, unknown>): Record<string, unknown> {
  const { reason, stack } = fields;
  return {
    ...fields,
    ...(typeof reason === 'string' ? { reason: scrubbed(reason) } : {}),
    ...(typeof stack === 'string' ? { stack: scrubbed(stack) } : {}),
  };
}

/** JSON lines on stdout: time, level, service, instance, and what the caller adds. */
export function createLogger(service: string, instance: string, level: string): Logger {
  return pino({
    level,
    base: { service, instance },
    messageKey: 'message',
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }), log: withoutSecrets },
    redact: { paths: SECRETS, censor: '[redacted]' },
    mixin: traceFields,
  });
}

/** Nest's own messages: its boot chatter is worth debug, what it complains about keeps its level. */
export class NestLogger implements LoggerService {
  constructor(private readonly log_: Logger) {}

  log(message: unknown, ...rest: unknown[]): void {
    this.log_.debug({ context: rest.at(-1) }, text(message));
  }
  debug(message: unknown, ...rest: unknown[]): void {
    this.log_.trace({ context: rest.at(-1) }, text(message));
  }
  verbose(message: unknown, ...rest: unknown[]): void {
    this.log_.trace({ context: rest.at(-1) }, text(message));
  }
  warn(message: unknown, ...rest: unknown[]): void {
    this.log_.warn({ context: rest.at(-1) }, text(message));
  }
  error(message: unknown, ...rest: unknown[]): void {
    this.log_.error(
      { context: rest.at(-1), ...(message instanceof Error ? { stack: message.stack } : {}) },
      text(message),
    );
  }
  fatal(message: unknown, ...rest: unknown[]): void {
    this.log_.fatal({ context: rest.at(-1) }, text(message));
  }
}

const text = (message: unknown): string => {
  if (typeof message === 'string') return message;
  return message instanceof Error ? message.message : JSON.stringify(message);
};
