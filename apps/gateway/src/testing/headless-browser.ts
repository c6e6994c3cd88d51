import { spawn } from 'node:child_process';
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome'];
const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--disable-dev-shm-usage',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const PATIENCE_MS = 45_000;

/** `CHROME_BIN`, or the first Chromium on `PATH`; undefined on a machine without one. */
export function findBrowser(): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  const candidates = NAMES.flatMap((name) => folders.map((folder) => join(folder, name)));
  return [process.env['CHROME_BIN'], ...candidates].find((path) => path && isExecutable(path));
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** A site of its own, whose page runs a script and reports what came of it. */
export class BrowserPage {
  readonly origin: Promise<string>;
  readonly #server = createServer((incoming, outgoing) => {
    if (incoming.method === 'POST') {
      void textOf(incoming).then((text) => this.#onReport(JSON.parse(text)));
      return void outgoing.end();
    }
    const script = incoming.url === '/script.js';
    outgoing.setHeader('content-type', script ? 'text/javascript' : 'text/html');
    outgoing.end(script ? this.#script : '<!doctype html><script type="module" src="/script.js"></script>');
  });
  #script = '';
  #onReport: (report: unknown) => void = () => undefined;

  constructor() {
    this.origin = new Promise((resolve) => {
      this.#server.listen(0, '127.0.0.1', () =>
        resolve(`http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`),
      );
    });
  }

  /** Runs a module in a fresh browser; it calls `report(value)` once. */
  async run<T>(browser: string, script: string): Promise<T> {
    this.#script = `const report = (value) => fetch('/', { method: 'POST', body: JSON.stringify(value) });
addEventListener('error', (event) => report({ failure: String(event.message) }));
addEventListener('unhandledrejection', (event) => report({ failure: String(event.reason) }));
${script}`;
    const profile = mkdtempSync(join(tmpdir(), 'flex-browser-'));
    const child = spawn(browser, [...FLAGS, `--user-data-dir=${profile}`, await this.origin], { stdio: 'ignore' });
    const ended = new Promise((resolve) => child.once('close', resolve));
    try {
      return await new Promise<T>((resolve, reject) => {
        this.#onReport = (report) => {
          const { failure } = report as { failure?: string };
          if (failure === undefined) resolve(report as T);
          else reject(new Error(`in the page: ${failure}`));
        };
        child.once('error', reject);
        setTimeout(() => reject(new Error('the page has reported nothing')), PATIENCE_MS).unref();
      });
    } finally {
      child.kill('SIGKILL');
      await ended;
      rmSync(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
    }
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

async function textOf(incoming: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of incoming) text += String(chunk);
  return text;
}
