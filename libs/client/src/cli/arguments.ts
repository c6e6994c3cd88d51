import type { CommandSpec, OptionSpec, Parsed } from './command.js';
import { nearest, usage } from './failure.js';

/** Options that every command has. */
export const globalOptions: readonly OptionSpec[] = [
  { name: 'json', summary: 'Values for programs on stdout: one JSON per line, nothing else' },
  { name: 'url', value: 'url', summary: 'Address of the gateway (else FLEX_URL, else the stack of this checkout)' },
  { name: 'api-key', value: 'key', summary: 'API key (else FLEX_API_KEY)' },
  { name: 'help', short: 'h', summary: 'Help of the command' },
];

/** Reads the words behind a command's name; throws a usage failure that names the word at fault. */
export function parseArguments(command: CommandSpec, words: readonly string[]): Parsed {
  const options = [...(command.options ?? []), ...globalOptions];
  const found = new Map<string, string[]>();
  const positionals: string[] = [];
  const help = `Try: flex ${command.name} --help`;

  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    if (word === '--') {
      positionals.push(...words.slice(i + 1));
      break;
    }
    if (!word.startsWith('-') || word === '-' || /^-\d/.test(word)) {
      positionals.push(word);
      continue;
    }
    const [name, glued] = splitOption(word);
    const option = options.find((candidate) =>
      word.startsWith('--') ? candidate.name === name : candidate.short === name,
    );
    if (!option) {
      const meant = nearest(
        name,
        options.map((candidate) => candidate.name),
      );
      throw usage(`unknown option ${word}${meant ? `; did you mean --${meant}?` : ''}`, [help]);
    }
    let value = 'true';
    if (option.value !== undefined) {
      const next = glued ?? words[++i];
      if (next === undefined) throw usage(`--${option.name} needs a value: <${option.value}>`, [help]);
      value = next;
      if (option.choices && !option.choices.includes(value)) {
        throw usage(`--${option.name} must be one of ${option.choices.join(', ')}, not "${value}"`, [help]);
      }
    } else if (glued !== undefined) {
      throw usage(`--${option.name} takes no value`, [help]);
    }
    const before = found.get(option.name);
    if (before && option.value !== undefined && !option.many) throw usage(`--${option.name} was given twice`, [help]);
    found.set(option.name, [...(before ?? []), value]);
  }

  if (!found.has('help')) checkPositionals(command, positionals, help);
  return {
    positionals,
    flag: (name) => found.has(name),
    text: (name) => found.get(name)?.[0],
    texts: (name) => found.get(name) ?? [],
  };
}

function splitOption(word: string): [name: string, glued: string | undefined] {
  const bare = word.replace(/^--?/, '');
  const equals = bare.indexOf('=');
  return equals === -1 ? [bare, undefined] : [bare.slice(0, equals), bare.slice(equals + 1)];
}

function checkPositionals(command: CommandSpec, positionals: readonly string[], help: string): void {
  const expected = command.arguments ?? [];
  const missing = expected.find((argument, index) => !argument.optional && positionals[index] === undefined);
  if (missing) throw usage(`<${missing.name}> is missing: ${missing.summary}`, [help]);
  if (positionals.length > expected.length) {
    throw usage(`too many arguments: "${positionals[expected.length]}" is not understood`, [help]);
  }
  for (const [index, argument] of expected.entries()) {
    const given = positionals[index];
    if (given !== undefined && argument.choices && !argument.choices.includes(given)) {
      const meant = nearest(given, argument.choices);
      throw usage(`"${given}" is not one of ${argument.choices.join(', ')}${meant ? `; did you mean ${meant}?` : ''}`, [
        help,
      ]);
    }
  }
}
