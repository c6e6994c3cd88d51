import type { Channels } from '../main.js';
import type { TextSink } from '../terminal.js';

/** A stream that remembers what was written. */
export interface Recorder extends TextSink {
  text(): string;
  lines(): string[];
}

export function recorder(tty = false): Recorder {
  let written = '';
  return {
    isTTY: tty,
    columns: 100,
    rows: 30,
    write: (text) => (written += text),
    text: () => written,
    lines: () => written.split('\n').filter((line) => line !== ''),
  };
}

/** Channels of a command under test: nothing is a terminal, standard input is `input`. */
export function testChannels(input = ''): Channels & { stdout: Recorder; stderr: Recorder; interrupt(): void } {
  const interruption = new AbortController();
  return {
    stdout: recorder(),
    stderr: recorder(),
    stdin: async () => input,
    interrupted: interruption.signal,
    interrupt: () => interruption.abort(),
  };
}
