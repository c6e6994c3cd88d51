import { globalOptions } from './arguments.js';
import type { ArgumentSpec, CommandSpec, OptionSpec } from './command.js';
import type { Paint } from './terminal.js';

const argumentText = (argument: ArgumentSpec): string =>
  argument.optional ? `[${argument.name}]` : `<${argument.name}>`;

export const usageLine = (command: CommandSpec): string =>
  ['flex', command.name, ...(command.arguments ?? []).map(argumentText), '[options]'].join(' ');

const optionText = (option: OptionSpec): string =>
  `${option.short ? `-${option.short}, ` : ''}--${option.name}${option.value ? ` <${option.value}>` : ''}`;

/** Two columns, the left as wide as its widest entry. */
function columns(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`);
}

/** Help of one command, made from its specification alone. */
export function commandHelp(command: CommandSpec, paint: Paint): string {
  const title = (text: string): string => paint('bold', text);
  const lines = [command.summary, '', `${title('Usage')}  ${usageLine(command)}`];
  if (command.description) lines.push('', command.description);
  if (command.arguments?.length) {
    lines.push('', title('Arguments'), ...columns(command.arguments.map((a) => [argumentText(a), a.summary] as const)));
  }
  const options = [...(command.options ?? []), ...globalOptions];
  lines.push('', title('Options'));
  lines.push(...columns(options.map((o) => [optionText(o), choicesIn(o)] as const)));
  lines.push('', title('Examples'), ...command.examples.map((example) => `  ${example}`));
  return lines.join('\n');
}

const choicesIn = (option: OptionSpec): string =>
  option.choices ? `${option.summary} (${option.choices.join(' | ')})` : option.summary;

/** Help of all commands; the launcher puts its own (up, down, test, …) before it. */
export function overview(commands: readonly CommandSpec[], paint: Paint): string {
  return [
    `${paint('bold', 'Runs and what belongs to them')}`,
    ...columns(commands.map((command) => [command.name, command.summary] as const)),
    '',
    `${paint('bold', 'Exit codes')}  0 completed, 1 failed or refused, 2 wrong command or envelope, 3 gateway not reachable, 130 Ctrl-C`,
    `${paint('bold', 'Environment')}  FLEX_URL, FLEX_API_KEY, NO_COLOR`,
    '',
    'flex <command> --help tells more, with examples.',
  ].join('\n');
}
