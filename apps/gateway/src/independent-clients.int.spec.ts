import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { build } from 'esbuild';
import { EventSource } from 'eventsource';
import { createParser } from 'eventsource-parser';
import { frameTypes } from '@flex/contracts';
import { bootService, type RunningService } from '@flex/events/service';
import type { GatewayConfig } from './gateway-config.js';
import { gatewayService } from './gateway-service.js';
import { CuttingProxy } from './testing/cutting-proxy.js';
import { envelope, GatewayCaller, type PlayedServices } from './testing/gateway-fixture.js';
import { BrowserPage, findBrowser } from './testing/headless-browser.js';
import { readFrames } from './testing/sse-client.js';
import { TestServers } from './testing/test-servers.js';

const KEY = 'a-key';
const keys = [{ id: 'k', sha256: createHash('sha256').update(KEY).digest('hex'), scopes: ['run'] }];
const authorization = `Bearer ${KEY}`;
const LIBRARY = join(import.meta.dirname, '../../../libs/client/src/index.ts');

const browser = findBrowser();
const inBrowser = browser ? it : it.skip;
const without = browser ? '' : ' (skipped: no Chromium on PATH or in CHROME_BIN)';

/** Every stream is cut after each frame, each connection goes to another replica, and every client must not notice. */
describe('clients that are not ours, cut at every frame', () => {
  let servers: TestServers;
  let replicas: RunningService<GatewayConfig>[];
  let proxy: CuttingProxy;
  let page: BrowserPage;
  let played: PlayedServices;
  let runId: string;
  let ids: string[];
  const api = new GatewayCaller(() => replicas[0]!, { authorization });

  beforeAll(async () => {
    page = new BrowserPage();
    servers = await TestServers.start();
    const env = servers.env({ FLEX_API_KEYS: JSON.stringify(keys), FLEX_CORS_ORIGINS: await page.origin });
    replicas = await Promise.all([1, 2].map(() => bootService({ ...gatewayService(), env })));
    played = await servers.play();
    runId = await api.submit();
    await played.finish(runId);
    ids = (await readFrames(await api.get(`/runs/${runId}/stream`))).map((frame) => frame.id!);
    expect(ids).toHaveLength(6);
  });
  beforeEach(async () => {
    proxy = await CuttingProxy.start(replicas.map(({ url }) => url));
  });
  afterEach(() => proxy.stop());
  afterAll(async () => {
    await Promise.all(replicas.map((replica) => replica.stop()));
    await Promise.all([servers.stop(), page.stop()]);
  });

  /** One connection for each frame, each from where the one before was cut, and both replicas were asked. */
  const wasCutEverywhere = (): void => {
    expect(proxy.cuts.map((cut) => cut.lastEventId)).toEqual([undefined, ...ids.slice(0, -1)]);
    expect(new Set(proxy.cuts.map((cut) => cut.replica)).size).toBe(2);
  };
  const streamOf = (run: string): string => `${proxy.url}/api/v1/flex/runs/${run}/stream`;

  it('npm eventsource', async () => {
    const seen: string[] = [];
    await new Promise<void>((resolve) => {
      const source = new EventSource(streamOf(runId), {
        fetch: (url, init) => fetch(url, { ...init, headers: { ...init.headers, authorization } }),
      });
      for (const type of frameTypes) {
        source.addEventListener(type, ({ lastEventId }) => {
          seen.push(lastEventId);
          if (type === 'complete') resolve(source.close());
        });
      }
    });
    expect(seen).toEqual(ids);
    wasCutEverywhere();
  });

  it('eventsource-parser over fetch', async () => {
    const seen: string[] = [];
    const parsing = () => createParser({ onEvent: ({ id }) => void (id !== undefined && seen.push(id)) });
    while (seen.length < ids.length) {
      const last = seen.at(-1);
      const headers = { authorization, ...(last === undefined ? {} : { 'last-event-id': last }) };
      const parser = parsing();
      const decoder = new TextDecoder();
      const { body } = await fetch(streamOf(runId), { headers });
      try {
        for await (const chunk of body!) parser.feed(decoder.decode(chunk as Uint8Array, { stream: true }));
      } catch {
        // That is the cut.
      }
    }
    expect(seen).toEqual(ids);
    wasCutEverywhere();
  });

  it('curl', async () => {
    const seen: string[] = [];
    while (seen.length < ids.length) {
      const last = seen.at(-1);
      const headers = ['-H', `authorization: ${authorization}`, ...(last ? ['-H', `last-event-id: ${last}`] : [])];
      const text = await new Promise<string>((resolve, reject) => {
        execFile('curl', ['-sN', '--max-time', '20', ...headers, streamOf(runId)], (error, stdout) => {
          // 18 and 56: the connection was cut.
          if (error && ![18, 56].includes(Number(error.code))) reject(error);
          else resolve(stdout);
        });
      });
      const whole = text.slice(0, text.lastIndexOf('\n\n') + 2);
      for (const [, id] of whole.matchAll(/^id: (.+)$/gm)) seen.push(id!);
    }
    expect(seen).toEqual(ids);
    wasCutEverywhere();
  });

  inBrowser(`a browser’s own EventSource, from another origin, with a ticket${without}`, async () => {
    const { ticket } = (await (await api.post('/stream.ticket', { runId })).json()) as { ticket: string };
    const seen = await page.run<{ ids: string[]; state: number }>(
      browser!,
      `const source = new EventSource(${JSON.stringify(`${streamOf(runId)}?ticket=${ticket}`)});
       const ids = [];
       for (const type of ${JSON.stringify(frameTypes)}) source.addEventListener(type, (event) => {
         ids.push(event.lastEventId);
       });
       // After the last frame it connects once more, hears 204, and gives up for good.
       source.addEventListener('error', () => source.readyState === 2 && report({ ids, state: source.readyState }));`,
    );
    expect(seen).toEqual({ ids, state: 2 });
    wasCutEverywhere();
  });

  inBrowser(`a browser with a wrong ticket is refused and does not try again${without}`, async () => {
    const seen = await page.run<{ state: number }>(
      browser!,
      `const source = new EventSource(${JSON.stringify(`${streamOf(runId)}?ticket=x`)});
       source.addEventListener('error', () => report({ state: source.readyState }));`,
    );
    expect(seen).toEqual({ state: 2 });
  });

  inBrowser(`our client, bundled for browsers, while the run goes on${without}`, async () => {
    const bundle = await build({
      entryPoints: [LIBRARY],
      bundle: true,
      write: false,
      format: 'esm',
      platform: 'browser',
      conditions: ['browser'],
    });
    const code = bundle.outputFiles[0]!.text;
    expect(code).not.toMatch(/from ?["']|require\(/);
    const library = `data:text/javascript;base64,${Buffer.from(code).toString('base64')}`;
    const playing = (async () => {
      for (;;) {
        const { items } = await api.json<{ items: { runId: string; objective: string }[] }>('/runs?status=open');
        const mine = items.find(({ objective }) => objective === 'From a browser');
        if (mine) return played.finish(mine.runId);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    })();
    const seen = await page.run<{ runId: string; ids: string[]; types: string[]; cuts: number; output: unknown }>(
      browser!,
      `const { createFlex } = await import(${JSON.stringify(library)});
       const flex = createFlex({ url: ${JSON.stringify(proxy.url)}, apiKey: ${JSON.stringify(KEY)} });
       const task = ${JSON.stringify({ ...envelope, objective: 'From a browser' })};
       const ids = [], types = [];
       let runId, cuts = 0;
       for await (const frame of flex.runs.stream(task, { onReconnect: () => cuts++ })) {
         runId = frame.runId;
         ids.push(frame.id);
         types.push(frame.type);
       }
       report({ runId, ids, types, cuts, output: (await flex.runs.output(runId)).output });`,
    );
    await playing;
    const direct = await readFrames(await api.get(`/runs/${seen.runId}/stream`));
    expect(seen.ids).toEqual(direct.map((frame) => frame.id));
    expect(seen.types).toEqual(direct.map((frame) => frame.event));
    // At least: what a browser had not handed over when the connection broke comes again.
    expect(seen.cuts).toBeGreaterThanOrEqual(seen.ids.length - 1);
    expect(seen.output).toBe('hello again');
  });
});
