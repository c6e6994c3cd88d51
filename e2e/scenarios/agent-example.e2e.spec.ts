import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { target } from '../harness/target.js';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** The agent of the documentation, as it stands there, started by hand beside a running stack. */
describe('The agent in twenty lines', () => {
  const http = target.http();
  let agent: ChildProcess;
  let said = '';

  beforeAll(async () => {
    agent = spawn(process.execPath, ['examples/agent.ts'], {
      cwd: root,
      env: { ...process.env, NATS_URL: target.natsUrl() },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const ended = once(agent, 'exit').then(() => {
      throw new Error(`the agent ended: ${said}`);
    });
    const registered = (async () => {
      for await (const chunk of agent.stderr!) if ((said += String(chunk)).includes('registered')) return;
    })();
    await Promise.race([registered, ended]);
    ended.catch(() => undefined);
  }, 60_000);
  afterAll(() => void agent.kill('SIGKILL'));

  it('does a step of a plan, and leaves when it is told to', async () => {
    const frames = await http
      .stream({
        objective: 'A haiku about planning',
        inputs: { objectiveBrief: { objective: 'Plans that are proven' } },
        outputContract: { mode: 'facets', facets: ['copyVariants'] },
        policies: { planner: { selection: { require: ['example.haiku'] } } },
      })
      .completed();
    expect(frames.at(-1)!.payload).toMatchObject({
      status: 'completed',
      output: { copyVariants: [{ headline: 'Plans that are proven' }] },
    });

    const exit = once(agent, 'exit');
    agent.kill('SIGTERM');
    expect(await exit).toEqual([0, null]);
    const capability = '/api/v1/flex/capabilities/example.haiku';
    for (;;) {
      const { status } = await http.ok<{ status: string }>('GET', capability);
      if (status === 'inactive') return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  });
});
