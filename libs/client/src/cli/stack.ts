import { createFlex, type Flex } from '../flex.js';
import type { GatewayWish, Parsed } from './command.js';
import { exitCodes } from './exit-codes.js';
import { Failure, unreachable, usage } from './failure.js';
import type { Terminal } from './terminal.js';

export interface Caller {
  args: Parsed;
  env: NodeJS.ProcessEnv;
  terminal: Terminal;
  interrupted: AbortSignal;
}

/** The gateway that the user means: `--url`, FLEX_URL, or the embedded stack of this checkout. */
export async function findGateway(caller: Caller, wish: GatewayWish): Promise<Flex> {
  const { args, env } = caller;
  const apiKey = args.text('api-key') ?? env['FLEX_API_KEY'];
  const given = args.text('url') ?? env['FLEX_URL'];
  const url = given ? checkUrl(given) : await embeddedUrl(caller, wish);
  return createFlex({ url, apiKey: apiKey || undefined });
}

function checkUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return url.href;
  throw usage(`"${text}" is not an address of a gateway`, ['It looks like http://127.0.0.1:7700']);
}

/** Loaded when needed only: with FLEX_URL the CLI runs where nothing of the stack is installed. */
async function embeddedUrl({ env, terminal, interrupted }: Caller, wish: GatewayWish): Promise<string> {
  const { ensureStack, homeOf, OperatorError, readState, supervisorOf } = await import('@flex/embedded');
  const home = homeOf(env);
  const state = supervisorOf(home) ? readState(home) : undefined;
  if (state?.phase === 'ready') return state.url;
  if (!wish.start) {
    throw unreachable('no stack is running here', [
      '`flex up --detach` starts one; FLEX_URL or --url names another gateway',
    ]);
  }
  await wish.beforeStart?.();
  try {
    const onProgress = (line: string): void => terminal.err(terminal.paintErr('dim', line));
    const stack = await ensureStack({ env, onProgress, signal: interrupted });
    return stack.url;
  } catch (error) {
    if (interrupted.aborted) throw new Failure('interrupted; nothing was left running', exitCodes.interrupted);
    if (error instanceof OperatorError) throw unreachable(error.message, error.advice ? [error.advice] : []);
    throw error instanceof Failure ? error : unreachable(`the stack did not start: ${(error as Error).message}`);
  }
}
