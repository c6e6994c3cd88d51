/** The part of a stream that the CLI needs; process.stdout and a test's buffer both have it. */
export interface TextSink {
  write(text: string): unknown;
  isTTY?: boolean;
  columns?: number;
  rows?: number;
}

export type Colour = 'red' | 'green' | 'yellow' | 'blue' | 'magenta' | 'cyan' | 'dim' | 'bold';

const codes: Record<Colour, [open: number, close: number]> = {
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  blue: [34, 39],
  magenta: [35, 39],
  cyan: [36, 39],
  dim: [2, 22],
  bold: [1, 22],
};

/** Colours text, or leaves it alone where colour would be noise. */
export type Paint = (colour: Colour, text: string) => string;
export const plain: Paint = (_colour, text) => text;
const ansi: Paint = (colour, text) => `\u001b[${codes[colour][0]}m${text}\u001b[${codes[colour][1]}m`;

/** https://no-color.org and https://force-color.org, else: only on a terminal. */
export function paintFor(sink: TextSink, env: NodeJS.ProcessEnv): Paint {
  if (env['NO_COLOR']) return plain;
  if (env['FORCE_COLOR'] && env['FORCE_COLOR'] !== '0') return ansi;
  return sink.isTTY === true && env['TERM'] !== 'dumb' ? ansi : plain;
}

/** Answers go to `out`, everything else to `err`: a pipe sees only what was asked for. */
export class Terminal {
  readonly paint: Paint;
  readonly paintErr: Paint;

  constructor(
    readonly stdout: TextSink,
    readonly stderr: TextSink,
    env: NodeJS.ProcessEnv,
  ) {
    this.paint = paintFor(stdout, env);
    this.paintErr = paintFor(stderr, env);
  }

  out(text: string): void {
    this.stdout.write(`${text}\n`);
  }

  err(text: string): void {
    this.stderr.write(`${text}\n`);
  }

  json(value: unknown): void {
    this.out(this.stdout.isTTY === true ? JSON.stringify(value, null, 2) : JSON.stringify(value));
  }
}
