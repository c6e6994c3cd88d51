import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createFlex } from '@flex/client';
import { issuesOf, routes, type ApiRoute } from '@flex/contracts';
import { example, target, unique } from './harness/target.js';

const checkout = fileURLToPath(new URL('..', import.meta.url));
const read = (path: string): string => readFileSync(join(checkout, path), 'utf8');
const documented = (routes as readonly ApiRoute[]).filter((route) => route.example !== undefined);

/** Every example that a document shows does what the document says, on a running stack. */
describe('documented examples', () => {
  const http = target.http();
  const flex = createFlex({ url: http.url, apiKey: process.env['FLEX_API_KEY'] });

  /** A run that waits for a person, so that every wish about an open run finds one. */
  const waiting = async (): Promise<{ runId: string; taskId: string }> => {
    const stream = http.stream(example('human-approval'));
    const { runId, payload } = await stream.untilType('hitl_request');
    stream.close();
    return { runId, taskId: payload['taskId'] as string };
  };

  it.each(documented.map((route) => [route.id, route] as const))('of the operation %s', async (id, route) => {
    const names = [...route.path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
    const run = names.includes('runId') || names.includes('taskId') ? await waiting() : undefined;
    const values: Record<string, string | undefined> = {
      ...run,
      capabilityId: 'strategist.brief',
      name: 'toneOfVoice',
    };
    const { query, body } = route.example!;
    // A name of the example's own, so that tests can share a stack.
    const sent = id === 'publishFacet' ? { ...(body as object), name: unique('exampleFacet') } : body;
    const path = route.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => values[name]!);
    const response = await fetch(new URL(`${path}?${new URLSearchParams(query)}`, http.url), {
      method: route.method,
      headers: {
        ...(sent === undefined ? {} : { 'content-type': 'application/json' }),
        ...(process.env['FLEX_API_KEY'] ? { 'x-api-key': process.env['FLEX_API_KEY'] } : {}),
      },
      body: sent === undefined ? undefined : JSON.stringify(sent),
    });
    const { schema, status, stream } = route.response;
    // What is submitted as an example also comes to its end.
    if (id === 'streamRun') expect(await response.text()).toMatch(/^data: .*"type":"complete".*"status":"completed"/m);
    else if (stream) await response.body!.cancel();
    const answer = stream || status === 204 ? undefined : ((await response.json()) as unknown);
    expect([response.status, response.status === status ? '' : answer]).toEqual([status, '']);
    if (schema) expect(issuesOf(schema, answer)).toEqual([]);
    if (run) await flex.runs.cancel(run.runId).catch(() => undefined);
  });

  it('of docs/client.md, as pasted', async () => {
    const [, code] = /```ts\n([\s\S]*?)```/.exec(read('docs/client.md'))!;
    const folder = mkdtempSync(join(tmpdir(), 'flex-client-'));
    try {
      symlinkSync(join(checkout, 'node_modules'), join(folder, 'node_modules'));
      writeFileSync(join(folder, 'example.ts'), code!);
      const said = await new Promise<string>((resolve, reject) => {
        const env = { ...process.env, FLEX_URL: http.url };
        execFile(
          join(checkout, 'flex'),
          ['exec', 'node', 'example.ts'],
          { cwd: folder, env },
          (error, stdout, stderr) => (error ? reject(new Error(`${error.message}\n${stderr}`)) : resolve(stdout)),
        );
      });
      const types = said
        .trim()
        .split('\n')
        .map((line) => line.split(' ')[0]);
      expect(types[0]).toBe('start');
      expect(said).toMatch(/^complete.*\n(?=completed )/m);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('of docs/client.md: the client has what the page names', () => {
    const page = read('docs/client.md');
    const named = [...page.matchAll(/`flex\.(\w+)` \(([a-z,\s]+)\)/gi)];
    expect(named.length).toBeGreaterThan(1);
    for (const [, part, members] of named) {
      const has = Object.keys(flex[part as keyof typeof flex]);
      expect([part, members!.split(/,\s+/).filter((member) => !has.includes(member))]).toEqual([part, []]);
    }
  });
});
