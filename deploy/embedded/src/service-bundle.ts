/**
 * One file per service, made of its compiled code and all that it imports. A service is some thousand modules, and
 * finding them costs more than running them: bundled, it is ready in half the time, which is also what a restart after
 * a crash costs. Nobody waits for it: a service without an up-to-date bundle runs unbundled, and its bundle is made
 * aside, for the next start.
 */
import { closeSync, existsSync, openSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Plugin } from 'esbuild';
import { CHECKOUT, installed } from './checkout.js';
import { gatedSpawn } from './gated-spawn.js';
import type { ProcessIdentity } from './process-identity.js';
import type { ServiceName } from './settings.js';

/** Left outside: optional companions of Nest and pg, which aren't installed, and what is loaded only when configured. */
const OUTSIDE = [
  '@nestjs/websockets',
  '@nestjs/websockets/*',
  '@nestjs/platform-socket.io',
  '@grpc/*',
  'amqp-connection-manager',
  'amqplib',
  'class-transformer/storage',
  'ioredis',
  'kafkajs',
  'mqtt',
  'nats',
  'pg-native',
  // Loaded by its name, and only when telemetry is on.
  '@opentelemetry/sdk-*',
  '@opentelemetry/exporter-*',
  '@opentelemetry/resources',
];

/** CommonJS packages inside an ES module still call `require` for Node's own modules. */
const REQUIRE =
  "import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url);";

const modified = (path: string): number => (existsSync(path) ? statSync(path).mtimeMs : 0);

/** When the compiler last wrote something that the service may contain. */
function compiledAt(service: ServiceName): number {
  const libs = readdirSync(join(CHECKOUT, 'libs')).map((name) => join(CHECKOUT, 'libs', name));
  const compiled = [join(CHECKOUT, 'apps', service), ...libs].map((folder) =>
    modified(join(folder, 'dist/.tsbuildinfo')),
  );
  return Math.max(...compiled, modified(join(CHECKOUT, 'package-lock.json')));
}

/** A service's compiled entry, one module of many. */
export const plainService = (service: ServiceName): string => join(CHECKOUT, 'apps', service, 'dist/main.js');

export const bundleOf = (service: ServiceName): string => join(CHECKOUT, 'apps', service, 'dist/main.bundle.mjs');

/** Whether the bundle is there and holds what was compiled last. */
export const isBundled = (service: ServiceName): boolean => modified(bundleOf(service)) > compiledAt(service);

/** Makes the bundles of these services, all in one go. */
export async function makeBundles(services: readonly ServiceName[]): Promise<void> {
  // Elsewhere and renamed: a stack may come up meanwhile.
  const unfinished = installed('.cache', `flex-bundles.${process.pid}`);
  try {
    await bundlePrograms(Object.fromEntries(services.map((service) => [service, plainService(service)])), unfinished);
    for (const service of services) renameSync(join(unfinished, `${service}.js`), bundleOf(service));
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
}

/** Makes `<folder>/<name>.js` of each compiled program and all that it imports. */
export async function bundlePrograms(
  programs: Readonly<Record<string, string>>,
  folder: string,
  plugins: Plugin[] = [],
): Promise<void> {
  const { build } = await import('esbuild');
  await build({
    entryPoints: { ...programs },
    outdir: folder,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node22',
    // Reading the map of 6 MB at every start would cost what the bundle saves; the code is readable as it is.
    sourcemap: false,
    banner: { js: REQUIRE },
    external: OUTSIDE,
    logLevel: 'silent',
    plugins,
  });
}

/** Makes bundles in a process of its own, which `record` is told of, and of its end. */
export function bundleAside(
  services: readonly ServiceName[],
  log: string,
  env: NodeJS.ProcessEnv,
  record: (helper: ProcessIdentity | undefined) => void,
): void {
  const output = openSync(log, 'w');
  const args = [join(import.meta.dirname, 'bundle-main.js'), ...services];
  const child = gatedSpawn({ command: process.execPath, args, env, cwd: CHECKOUT, output }, record);
  closeSync(output);
  child.once('exit', () => record(undefined));
}
