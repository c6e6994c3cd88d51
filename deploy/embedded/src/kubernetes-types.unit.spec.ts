/**
 * Every object of deploy/kubernetes is checked as the compiler checks a literal of its published type: each field at any
 * depth must be one that it has, of the right type, and none that is required may be missing. Where a kubectl is
 * installed, the overlays are built and what comes out is checked likewise.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { CHECKOUT, installed } from './checkout.js';

interface KubernetesObject {
  apiVersion: string;
  kind: string;
  metadata: { name: string };
  data?: Record<string, string>;
  stringData?: Record<string, string>;
}

const FOLDER = join(CHECKOUT, 'deploy/kubernetes');
const SCRATCH = installed('.cache', `kubernetes-types-${process.pid}`);

const documents = (text: string): KubernetesObject[] =>
  parseAllDocuments(text).map((document) => document.toJS() as KubernetesObject);

const manifests = readdirSync(FOLDER, { recursive: true, encoding: 'utf8' })
  .map((path) => join(FOLDER, path))
  .filter((path) => path.endsWith('.yaml') && !path.endsWith('kustomization.yaml') && statSync(path).isFile())
  .flatMap((path) => documents(readFileSync(path, 'utf8')));

const examples = documents(readFileSync(join(FOLDER, 'overlays/production/secrets.example.yaml'), 'utf8'));

const moduleOf = ({ apiVersion, kind }: KubernetesObject): string =>
  `${apiVersion.startsWith('keda.sh/') ? '@kubernetes-models/keda' : 'kubernetes-models'}/${apiVersion}/${kind}`;

/** What the compiler has to say, a line for each fault. */
function faultsOf(objects: readonly KubernetesObject[]): string[] {
  const source = objects.map(
    (object, i) =>
      `import type { I${object.kind} as Type${i} } from '${moduleOf(object)}';\n` +
      `export const ${object.kind}_${object.metadata.name.replaceAll('-', '_')}_${i}: Type${i} = ${JSON.stringify(object, null, 2)};\n`,
  );
  mkdirSync(SCRATCH, { recursive: true });
  writeFileSync(join(SCRATCH, 'objects.ts'), source.join(''));
  const options = [
    '--noEmit',
    '--strict',
    '--skipLibCheck',
    '--types',
    '--module',
    'esnext',
    '--moduleResolution',
    'bundler',
  ];
  try {
    execFileSync(
      process.execPath,
      [installed('typescript', 'bin', 'tsc'), ...options, '--ignoreConfig', 'objects.ts'],
      {
        cwd: SCRATCH,
        encoding: 'utf8',
      },
    );
    return [];
  } catch (error) {
    return (error as { stdout: string }).stdout.trim().split('\n');
  }
}

function kubectl(): string | undefined {
  try {
    execFileSync('kubectl', ['version', '--client'], { stdio: 'ignore' });
    return 'kubectl';
  } catch {
    return undefined;
  }
}

describe('objects of Kubernetes and KEDA', () => {
  afterAll(() => rmSync(SCRATCH, { recursive: true, force: true }));

  it('are of their published types, to the last field', () => {
    expect(manifests.length).toBeGreaterThan(40);
    expect(faultsOf(manifests)).toEqual([]);
  });

  it.each([
    ['an unknown field', { livenessProbe: { httpGet: { path: '/', port: 1, retries: 3 } } }, 'retries'],
    ['a value of another type', { resources: { requests: { cpu: true } } }, 'IQuantity'],
    ['a field in the wrong place', { securityContext: { fsGroup: 1 } }, 'fsGroup'],
  ])('would not be with %s, however deep', (_what, change, said) => {
    const planner = structuredClone(manifests.find(({ kind }) => kind === 'Deployment')!) as KubernetesObject & {
      spec: { template: { spec: { containers: object[] } } };
    };
    Object.assign(planner.spec.template.spec.containers[0]!, change);
    expect(faultsOf([planner]).join('\n')).toContain(said);
  });

  const built = kubectl();
  (built ? it : it.skip).each(['overlays/dev', 'overlays/production', 'migrate'])('are so when %s is built', (path) => {
    const objects = documents(execFileSync(built!, ['kustomize', join(FOLDER, path)], { encoding: 'utf8' }));
    expect(faultsOf(objects)).toEqual([]);
    // Secrets and settings are named by what they hold: nothing may be left that refers to a name of before.
    const names = new Set(objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`));
    const referred = [...JSON.stringify(objects).matchAll(/"configMap(?:Ref)?":\{"name":"([^"]+)"/g)].map((m) => m[1]!);
    for (const name of referred) expect(names).toContain(`ConfigMap ${name}`);
    // So are secrets, with the keys that are asked of them; those that an overlay does not make stand in the example.
    const secrets = new Map(
      [...objects, ...(path === 'overlays/dev' ? [] : examples)]
        .filter(({ kind }) => kind === 'Secret')
        .map((secret) => [secret.metadata.name, { ...secret.data, ...secret.stringData }]),
    );
    const asked = [...JSON.stringify(objects).matchAll(/"secretKeyRef":(\{[^}]*\})/g)]
      .map((match) => JSON.parse(match[1]!) as { name: string; key: string; optional?: boolean })
      .filter(({ name, optional }) => !optional || secrets.has(name));
    expect(asked.length).toBeGreaterThan(0);
    for (const { name, key } of asked)
      expect([name, Object.keys(secrets.get(name) ?? {})]).toEqual([name, expect.arrayContaining([key])]);
    for (const [, name] of JSON.stringify(objects).matchAll(/"secretRef":\{"name":"([^"]+)"/g))
      expect(secrets.has(name!)).toBe(true);
  });
});
