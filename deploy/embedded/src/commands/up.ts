/** `flex up`: brings the stack up; in the foreground it lives as long as the command does. */
import { ensureStack } from '../ensure-stack.js';
import { INTERRUPTED, interruption } from '../interruption.js';
import { UsageError } from '../operator-error.js';
import { readChoices } from '../settings.js';
import { stopOnAbort } from './stop-on-abort.js';

export async function main(argv: string[], env: NodeJS.ProcessEnv): Promise<number> {
  const { choices, rest } = readChoices(argv);
  const detach = rest.includes('--detach') || rest.includes('-d');
  const unknown = rest.find((argument) => argument !== '--detach' && argument !== '-d');
  if (unknown)
    throw new UsageError(`flex up doesn't know "${unknown}"`, 'It takes --detach, --without a,b and --scale a=n,b=m.');
  const interrupted = interruption();
  const begin = performance.now();
  try {
    const stack = await ensureStack({
      ...choices,
      env,
      signal: interrupted,
      lifetime: detach ? 'keep' : 'attached',
      onProgress: (line) => console.error(line),
    });
    const seconds = ((performance.now() - begin) / 1_000).toFixed(1);
    console.log(`Flex is up at ${stack.url} (${stack.started ? `${seconds} s` : 'it was running already'})`);
    if (detach || !stack.started) return 0;
    console.log('Ctrl-C stops it.');
    return await stopOnAbort(stack, interrupted);
  } catch (error) {
    if (interrupted.aborted) return INTERRUPTED;
    throw error;
  }
}
