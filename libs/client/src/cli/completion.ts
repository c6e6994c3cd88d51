import { globalOptions } from './arguments.js';
import type { CommandSpec } from './command.js';
import { usage } from './failure.js';

export const shells = ['bash', 'zsh', 'fish'] as const;

/** Commands of the launcher, which completion offers as well. */
export const launcherCommands = [
  ...['up', 'down', 'status', 'logs', 'test', 'doctor', 'replay', 'verify', 'rebuild', 'dead-letters'],
  ...['migrate', 'backup', 'restore', 'bench', 'chaos', 'exec', 'jest', 'version', 'help'],
];

/** What may follow a command: its options and the choices of its first argument. */
const wordsOf = (command: CommandSpec): string[] => [
  ...(command.arguments?.[0]?.choices ?? []),
  ...[...(command.options ?? []), ...globalOptions].map((option) => `--${option.name}`),
];

const takesFile = (command: CommandSpec): boolean =>
  command.arguments?.some(({ completes }) => completes === 'file') === true;

/** A completion script, made from the command table. */
export function completionScript(shell: string, commands: readonly CommandSpec[]): string {
  const names = [...commands.map((command) => command.name), ...launcherCommands];
  switch (shell) {
    case 'bash':
      return bash(names, commands);
    case 'zsh':
      return `autoload -U +X bashcompinit && bashcompinit\n${bash(names, commands)}`;
    case 'fish':
      return fish(names, commands);
    default:
      throw usage(`no completion for "${shell}"; there is one for ${shells.join(', ')}`);
  }
}

function bash(names: readonly string[], commands: readonly CommandSpec[]): string {
  const cases = commands.map(
    (command) => `    ${command.name}) words="${wordsOf(command).join(' ')}"; files=${takesFile(command) ? 1 : 0} ;;`,
  );
  const values = commands.flatMap((command) =>
    [...(command.options ?? []), ...globalOptions]
      .filter(({ value }) => value !== undefined)
      .map(({ name, value, choices }) => {
        const offered = choices ? `-W "${choices.join(' ')}"` : value === 'file' ? '-f' : '-W ""';
        return `    "${command.name} --${name}") COMPREPLY=($(compgen ${offered} -- "$current")); return ;;`;
      }),
  );
  return [
    '_flex() {',
    '  local current="${COMP_WORDS[COMP_CWORD]}" words="" files=1',
    '  if [ "$COMP_CWORD" -eq 1 ]; then',
    `    COMPREPLY=($(compgen -W "${names.join(' ')}" -- "$current"))`,
    '    return',
    '  fi',
    '  case "${COMP_WORDS[1]} ${COMP_WORDS[COMP_CWORD-1]}" in',
    ...values,
    '  esac',
    '  case "${COMP_WORDS[1]}" in',
    ...cases,
    '  esac',
    '  COMPREPLY=($(compgen -W "$words" -- "$current"))',
    '  if [ "$files" -eq 1 ]; then COMPREPLY+=($(compgen -f -- "$current")); fi',
    '}',
    'complete -o filenames -F _flex flex ./flex',
  ].join('\n');
}

function fish(names: readonly string[], commands: readonly CommandSpec[]): string {
  const quote = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
  return [
    `complete -c flex -n __fish_use_subcommand -f -a ${quote(names.join(' '))}`,
    ...commands.flatMap((command) =>
      [...(command.options ?? []), ...globalOptions].map(
        (option) =>
          `complete -c flex -n ${quote(`__fish_seen_subcommand_from ${command.name}`)} -l ${option.name}` +
          `${option.value ? ' -r' : ''}${option.choices ? ` -f -a ${quote(option.choices.join(' '))}` : ''} -d ${quote(option.summary)}`,
      ),
    ),
  ].join('\n');
}
