/** `flex down`: takes the stack down, also what a killed supervisor left behind. */
import { stopStack } from '../ensure-stack.js';
import { homeOf } from '../settings.js';

export async function main(_argv: string[], env: NodeJS.ProcessEnv): Promise<number> {
  const stopped = await stopStack(homeOf(env));
  console.log(stopped ? 'Flex is down.' : 'Nothing was running.');
  return 0;
}
