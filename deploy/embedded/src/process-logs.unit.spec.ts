import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { boundLog, lastLines, readFrom } from './process-logs.js';

describe('a process’ log', () => {
  let folder: string;
  let log: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'flex-test-logs-'));
    log = join(folder, 'a.log');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('is bounded: what was in it moves aside once it is too long', () => {
    writeFileSync(log, 'x'.repeat(100));
    boundLog(log, 100);
    expect(statSync(log).size).toBe(100);
    appendFileSync(log, 'y');
    boundLog(log, 100);
    expect(statSync(log).size).toBe(0);
    expect(readFileSync(`${log}.1`, 'utf8')).toBe(`${'x'.repeat(100)}y`);
  });

  it('is followed from where the reader stood, or from its beginning when it was cut', () => {
    writeFileSync(log, 'one\n');
    const { end } = readFrom(log, 0);
    appendFileSync(log, 'zwölf\n');
    expect(readFrom(log, end)).toEqual({ text: 'zwölf\n', end: 11 });
    writeFileSync(log, 'new\n');
    expect(readFrom(log, 11)).toEqual({ text: 'new\n', end: 4 });
  });

  it('shows its last lines, and nothing when there is none', () => {
    writeFileSync(log, 'one\ntwo\nthree\n');
    expect(lastLines(log, 2)).toBe('two\nthree');
    expect(lastLines(join(folder, 'none.log'), 2)).toBe('');
  });
});
