import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { bundlePrograms, CHECKOUT, SERVICES } from '@flex/embedded';

/**
 * The change of the next release: reports of workers have version 2, with a field that is required, and the reports of
 * this release are brought to that form. By file: what stands there, and what will stand there.
 */
const CHANGE: Record<string, [string, string][]> = {
  'libs/contracts/dist/events/worker.js': [
    ["'node.reported': event({\n        version: 1,", "'node.reported': event({\n        version: 2,"],
    ['            ...Result,', '            ...Result,\n            host: Type.String(),'],
  ],
  'libs/contracts/dist/validate.js': [
    ['    return data;', "    return type === 'node.reported' && version === 1 ? { host: 'unknown', ...data } : data;"],
  ],
  'libs/worker-sdk/dist/step-runner.js': [
    [
      "type: 'node.reported', runId, id, key, traceparent, data }",
      "type: 'node.reported', runId, id, key, traceparent, data: { host: 'next', ...data } }",
    ],
  ],
};

/** Makes a release that differs from this checkout by {@link CHANGE}, in a folder with the paths of a checkout. */
export async function makeNextRelease(folder: string): Promise<void> {
  const programs = [...SERVICES.map((service) => `apps/${service}/dist/main`), 'e2e/dist/bench/noop-worker'];
  const changed = new Set<string>();
  await bundlePrograms(
    Object.fromEntries(programs.map((program) => [program, join(CHECKOUT, `${program}.js`)])),
    folder,
    [
      {
        name: 'change',
        setup: ({ onLoad }) =>
          onLoad({ filter: /\/libs\/.*\.js$/ }, ({ path }) => {
            const file = relative(CHECKOUT, path);
            const contents = apply(readFileSync(path, 'utf8'), CHANGE[file] ?? [], file);
            if (CHANGE[file]) changed.add(file);
            return { contents, loader: 'js' };
          }),
      },
    ],
  );
  const left = Object.keys(CHANGE).filter((file) => !changed.has(file));
  if (left.length > 0) throw new Error(`no service contains ${left.join(', ')}`);
}

function apply(text: string, changes: [string, string][], file: string): string {
  for (const [before, after] of changes) {
    if (text.split(before).length !== 2) throw new Error(`${file} does not have "${before}" once`);
    text = text.replace(before, () => after);
  }
  return text;
}
