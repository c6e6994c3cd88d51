/** The launcher's JavaScript half: finds the command, runs it, and turns errors into lines for people. */
import { clientCli, COMMANDS } from './commands.js';
import { OperatorError, UsageError } from './operator-error.js';

const WRONG_COMMAND = 2;

async function help(): Promise<number> {
  const width = Math.max(...COMMANDS.map(({ usage }) => usage.length));
  console.log('flex <command>\n\nThe stack');
  for (const { usage, summary } of COMMANDS) console.log(`  ${usage.padEnd(width)}  ${summary}`);
  console.log(`  ${'exec <command…>'.padEnd(width)}  run a command with this checkout's Node and tools`);
  console.log(`  ${'jest <arguments…>'.padEnd(width)}  run some tests`);
  console.log(`  ${'version'.padEnd(width)}  say which one this is\n`);
  console.log(
    '  Environment: FLEX_HOME, FLEX_PORT, FLEX_NATS_PORT, FLEX_PG_PORT, NATS_URL, DATABASE_URL, NATS_SERVER_BIN,',
  );
  console.log('  FLEX_SYNC (always | default), FLEX_START_TIMEOUT (seconds)\n');
  return (await clientCli()).main(['help'], process.env);
}

async function dispatch([name = 'help', ...argv]: string[]): Promise<number> {
  if ((name === 'help' && argv.length === 0) || name === '--help' || name === '-h') return help();
  const asked = name === 'help' ? argv[0] : name;
  const command = COMMANDS.find((one) => one.name === asked);
  if (!command) return (await clientCli()).main([name, ...argv], process.env);
  if (name === 'help' || ((argv.includes('--help') || argv.includes('-h')) && !['bench', 'chaos'].includes(name))) {
    console.log(`flex ${command.usage}\n  ${command.summary}`);
    return 0;
  }
  const unknown = command.takes && argv.find((word) => !command.takes?.includes(word));
  if (unknown !== undefined)
    throw new UsageError(`flex ${command.name} doesn't know "${unknown}"`, `  Try: flex ${command.name} --help`);
  return (await command.load()).main(argv, process.env);
}

try {
  process.exitCode = await dispatch(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof OperatorError)) throw error;
  console.error(`flex: ${error.message}`);
  if (error.advice) console.error(error.advice);
  process.exitCode = error instanceof UsageError ? WRONG_COMMAND : 1;
}
