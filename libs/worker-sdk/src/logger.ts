/** The part of a logger that the SDK uses; pino's fits. */
export interface WorkerLogger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

const line = (level: string) => (fields: object, message: string) => {
  const rest = Object.entries(fields).filter(([, value]) => value !== undefined);
  const about = rest
    .map(([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(' ');
  process.stderr.write(`${level} ${message}${about ? ` (${about})` : ''}\n`);
};

/** One readable line per message on stderr. */
export const plainLogger: WorkerLogger = { info: line('worker:'), warn: line('worker, warning:') };
