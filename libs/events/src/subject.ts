/** What a subject of the log says: `<entity>.<event>.<partition>[.<runId>[.<key>]]`; a key may hold dots. */
export interface ParsedSubject {
  type: string;
  partition: number;
  runId: string;
  key: string | undefined;
}

/** Parses by position, without splitting: this runs once for each message that anybody reads. Undefined when malformed. */
export function parseSubject(subject: string): ParsedSubject | undefined {
  const entityEnd = subject.indexOf('.');
  const typeEnd = subject.indexOf('.', entityEnd + 1);
  if (entityEnd < 1 || typeEnd < 0) return undefined;
  const partitionEnd = subject.indexOf('.', typeEnd + 1);
  const token = partitionEnd < 0 ? subject.slice(typeEnd + 1) : subject.slice(typeEnd + 1, partitionEnd);
  const partition = token === '' ? Number.NaN : Number(token);
  if (!Number.isInteger(partition)) return undefined;
  const type = subject.slice(0, typeEnd);
  if (partitionEnd < 0) return { type, partition, runId: '', key: undefined };
  const runEnd = subject.indexOf('.', partitionEnd + 1);
  if (runEnd < 0) return { type, partition, runId: subject.slice(partitionEnd + 1), key: undefined };
  return { type, partition, runId: subject.slice(partitionEnd + 1, runEnd), key: subject.slice(runEnd + 1) };
}

const TOKEN = /^[A-Za-z0-9_-]{1,128}$/;

/** A run's id is one token of a subject: anything else could reach another run's subjects. */
export const isRunId = (value: string): boolean => TOKEN.test(value);

/** Both subjects under which events of one run lie: with and without a key. */
export function runFilters(partitionToken: string, runId: string): string[] {
  if (!isRunId(runId)) throw new Error(`not a run id: ${JSON.stringify(runId)}`);
  return [`*.*.${partitionToken}.${runId}`, `*.*.${partitionToken}.${runId}.>`];
}

/** Everything of one partition: its claims (no run), and its runs. */
export function partitionFilters(partitionToken: string): string[] {
  return [`*.*.${partitionToken}`, `*.*.${partitionToken}.>`];
}

/** The partition token of a subject of the log, without parsing the rest. */
export function partitionOfSubject(subject: string): string {
  const start = subject.indexOf('.', subject.indexOf('.') + 1) + 1;
  const end = subject.indexOf('.', start);
  return end < 0 ? subject.slice(start) : subject.slice(start, end);
}
