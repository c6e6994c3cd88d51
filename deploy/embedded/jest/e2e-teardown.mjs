/** Takes down what e2e-setup brought up. */
import { rmSync } from 'node:fs';
import endRun from './run-teardown.mjs';

export default async () => {
  const stack = globalThis.flexE2eStack;
  if (stack) {
    await stack.stop();
    rmSync(stack.home, { recursive: true, force: true });
  }
  await endRun();
};
