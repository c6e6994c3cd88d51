/**
 * One file per service, made of its compiled code and all that it imports. A service is some thousand modules, and
 * finding them costs more than running them: bundled, it is ready in half the time, which is also what a restart after
 * a crash costs. A bundle is made when a stack comes up and anything compiled is newer.
 */
import { existsSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { CHECKOUT, installed } from './checkout.js';
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

/** Makes every bundle that is missing or older than what it is made of, all in one go. Rejects when one can't be made. */
export async function refreshBundles(services: readonly ServiceName[]): Promise<void> {
  const stale = services.filter((service) => modified(bundleOf(service)) <= compiledAt(service));
  if (stale.length === 0) return;
  // Elsewhere and renamed: two stacks may come up at once.
  const unfinished = installed('.cache', `flex-bundles.${process.pid}`);
  try {
    const { build } = await import('esbuild');
    await build({
      entryPoints: Object.fromEntries(stale.map((service) => [service, plainService(service)])),
      outdir: unfinished,
      bundle: true,
      platform: 'node',
      format: 'esm',
      target: 'node22',
      // Nest tells its providers apart by their classes' names.
      keepNames: true,
      // Reading the map of 6 MB at every start would cost what the bundle saves; the code is readable as it is.
      sourcemap: false,
      banner: { js: REQUIRE },
      external: OUTSIDE,
      logLevel: 'silent',
    });
    for (const service of stale) renameSync(join(unfinished, `${service}.js`), bundleOf(service));
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
}
