import type { Flex } from '../flex.js';
import type { Terminal } from './terminal.js';

/** One option of a command; help, parsing and completion are made from it. */
export interface OptionSpec {
  /** Without dashes. */
  name: string;
  short?: string;
  /** Name of its value in the help; absent for a switch. */
  value?: string;
  /** May be given several times. */
  many?: boolean;
  summary: string;
  /** Values that completion offers and the parser insists on. */
  choices?: readonly string[];
}

export interface ArgumentSpec {
  name: string;
  summary: string;
  optional?: boolean;
  /** What completion offers. */
  completes?: 'file' | 'run';
  choices?: readonly string[];
}

/** What the command line said, checked against the command's specification. */
export interface Parsed {
  positionals: string[];
  flag(name: string): boolean;
  text(name: string): string | undefined;
  texts(name: string): string[];
}

/** What a command needs of the gateway. */
export interface GatewayWish {
  /** Bring the embedded stack up when there is no gateway. */
  start?: boolean;
  /** What has to be right before anybody waits for that. */
  beforeStart?(): Promise<void>;
}

/** What a command works with. */
export interface CommandContext {
  terminal: Terminal;
  env: NodeJS.ProcessEnv;
  /** `--json`: values for programs on stdout, nothing else. */
  json: boolean;
  args: Parsed;
  /** The gateway at FLEX_URL, or of the embedded stack of this checkout, which `start` brings up. */
  flex(wish?: GatewayWish): Promise<Flex>;
  /** Ends when the user presses Ctrl-C. */
  interrupted: AbortSignal;
  /** Text of standard input. */
  stdin(): Promise<string>;
}

/** Returns the exit code. */
export type CommandHandler = (context: CommandContext) => Promise<number>;

/** An entry of the command table. Handlers are loaded when called, so that starting costs the same for any number. */
export interface CommandSpec {
  name: string;
  summary: string;
  /** Further lines of its help. */
  description?: string;
  arguments?: readonly ArgumentSpec[];
  options?: readonly OptionSpec[];
  examples: readonly string[];
  load(): Promise<CommandHandler>;
}
