/**
 * The files of deploy/ against the code they deploy: nothing is named that does not exist, nothing misspelt, and every
 * service is as confined and as observed as the others.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { appendsOf, capabilityKey } from '@flex/contracts';
import { busUsers, Durable, natsAuthorization, serviceUsers, workerDurable } from '@flex/events';
import { ApiKeyRing, readApiKeys } from '../../../apps/gateway/src/security/api-keys.js';
import { CHECKOUT } from './checkout.js';

type Fields = Record<string, any>; // oxlint-disable-line no-explicit-any

const root = CHECKOUT;
const deploy = join(root, 'deploy');
const read = (...path: string[]): string => readFileSync(join(...path), 'utf8');

function filesUnder(folder: string, suffix: RegExp): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => suffix.test(path) && !/node_modules|\/dist\//.test(path) && statSync(path).isFile())
    .sort();
}

/** Every document of a YAML file; a duplicate key or a syntax error is one. */
function documents(path: string): Fields[] {
  return parseAllDocuments(read(path), { merge: true, uniqueKeys: true }).map((document) => {
    expect(document.errors).toEqual([]);
    return document.toJS() as Fields;
  });
}

const services = readdirSync(join(root, 'apps')).sort();
const known = new Set(
  ['apps', 'libs'].flatMap((folder) =>
    filesUnder(join(root, folder), /config[a-z]*\.ts$/).flatMap((path) =>
      [...read(path).matchAll(/@Env\('([A-Z_0-9]+)'\)/g)].map((match) => match[1]!),
    ),
  ),
);
const isKnown = (name: string): boolean => known.has(name) || /^(OTEL|NODE)_[A-Z_]+$/.test(name);
const unknownOf = (names: string[]): string[] => names.filter((name) => !isKnown(name));

describe('deploy/', () => {
  it('is YAML that parses, and JSON that does', () => {
    const yaml = filesUnder(deploy, /\.ya?ml$/);
    expect(yaml.length).toBeGreaterThan(10);
    for (const path of yaml) expect(documents(path).length).toBeGreaterThan(0);
    for (const path of filesUnder(join(deploy, 'grafana'), /\.json$/)) JSON.parse(read(path));
  });

  it('grants on NATS what the code says', () => {
    const passwords = Object.fromEntries(busUsers.map((user) => [user, `$${user.toUpperCase()}_PASSWORD`]));
    const written = natsAuthorization(serviceUsers(passwords));
    for (const path of ['compose/nats/users.conf', 'kubernetes/base/nats/users.conf', 'embedded/nats/users.conf']) {
      expect(read(deploy, path).split('\n').slice(1).join('\n')).toBe(written);
    }
  });

  it('knows the environment variables of the code', () => {
    expect([...known]).toEqual(
      expect.arrayContaining(['NATS_URL', 'DATABASE_URL', 'FLEX_API_KEYS', 'OPENAI_BASE_URL']),
    );
    expect(isKnown('FLEX_NO_SUCH_THING')).toBe(false);
  });

  it('has an image that copies every manifest of the workspace', () => {
    const dockerfile = read(deploy, 'images/Dockerfile');
    for (const folder of ['apps', 'libs']) {
      for (const name of readdirSync(join(root, folder))) {
        expect(dockerfile).toContain(`COPY ${folder}/${name}/package.json`);
      }
    }
    const sources = [...dockerfile.matchAll(/^COPY (?!--from)(.+)$/gm)].flatMap((match) =>
      match[1]!.split(' ').slice(0, -1),
    );
    for (const source of sources) expect([source, existsSync(join(root, source))]).toEqual([source, true]);
    expect(unknownOf([...dockerfile.matchAll(/^(?:ENV| {4})\s*([A-Z_]+)=/gm)].map((match) => match[1]!))).toEqual([]);
    expect(dockerfile).toMatch(/^USER 10001:10001$/m);
    expect(dockerfile).toMatch(/^HEALTHCHECK [^]*\/health\/ready/m);
    // Nothing that an engine of Debian 12 would refuse, or that would have to be pulled before the build can begin.
    expect(dockerfile).not.toMatch(/start-interval|^# syntax=/m);
    expect(dockerfile).toMatch(/npm ci --omit=dev/);
    expect(dockerfile).toMatch(/npm sbom --sbom-format=cyclonedx > sbom\.cdx\.json/);
    expect(dockerfile).toMatch(/^COPY --from=production .*sbom\.cdx\.json/m);
    for (const label of ['title', 'version', 'revision', 'licenses'])
      expect(dockerfile).toContain(`org.opencontainers.image.${label}=`);
    // Node itself is told to end: no shell stands between.
    expect(dockerfile).toMatch(/^STOPSIGNAL SIGTERM$/m);
    expect(dockerfile).toMatch(/^CMD \["node", "service\/dist\/main\.js"\]$/m);
    expect(dockerfile).not.toMatch(/^ENTRYPOINT/m);
  });
});

describe('keys of the gateway', () => {
  it('are such as the gateway reads, and open it to whoever has the key of the documentation', () => {
    const opens = (text: string, key: string) => new ApiKeyRing(readApiKeys(text)).find(key)?.scopes.has('run');
    expect(opens(join(deploy, 'compose/api-keys.json'), 'flex-compose-key')).toBe(true);
    expect(opens(read(deploy, 'kubernetes/overlays/dev/api-keys.json'), 'flex-dev-key')).toBe(true);
    const example = documents(join(deploy, 'kubernetes/overlays/production/secrets.example.yaml'));
    const keys = example.find((secret) => secret['metadata'].name === 'flex-api-keys')!;
    expect(readApiKeys(keys['stringData'].FLEX_API_KEYS)).toHaveLength(1);
  });
});

describe('compose', () => {
  const [file] = documents(join(deploy, 'compose/compose.yaml')) as [Fields];
  const all = file['services'] as Record<string, Fields>;

  it('runs the six services, and has no field that compose does not know', () => {
    expect(Object.keys(all)).toEqual(expect.arrayContaining([...services, 'nats', 'postgres']));
    expect(strangers(file, ['name', 'services', 'networks', 'volumes'])).toEqual([]);
    for (const service of Object.values(all)) expect(strangers(service, COMPOSE_SERVICE)).toEqual([]);
  });

  it.each(services)('%s: built from its app, confined, healthy only when ready, and can be scaled', (name) => {
    const service = all[name]!;
    // The label of an image says what its tag says.
    const [, tag] = String(service['image']).split(`/${name}:`);
    expect(service['build'].args).toMatchObject({ SERVICE: name, VERSION: tag });
    expect(existsSync(join(deploy, 'compose', service['build'].context, service['build'].dockerfile))).toBe(true);
    expect(service).toMatchObject({ read_only: true, cap_drop: ['ALL'], environment: { NATS_USER: name } });
    expect(service['container_name']).toBeUndefined();
    // A fixed port would stop the second replica.
    if (name === 'gateway') expect(service['ports']).toEqual([expect.stringMatching(/8080-8089\}:8080$/)]);
    else expect(service['ports']).toBeUndefined();
    expect(unknownOf(Object.keys(service['environment']))).toEqual([]);
    // The image brings the check of a service; of others it stands in the file.
    expect(service['healthcheck']).toBeUndefined();
    for (const needed of Object.keys(service['depends_on']))
      expect([needed, services.includes(needed) || all[needed]!['healthcheck'] !== undefined]).toEqual([needed, true]);
  });

  it('mounts only what is there', () => {
    for (const service of Object.values(all)) {
      for (const volume of (service['volumes'] ?? []) as string[]) {
        const source = volume.split(':')[0]!;
        const found = source.startsWith('.') ? existsSync(join(deploy, 'compose', source)) : source in file['volumes'];
        expect([source, found]).toEqual([source, true]);
      }
    }
  });
});

describe('kubernetes', () => {
  const folder = join(deploy, 'kubernetes');
  const kustomizations = filesUnder(folder, /kustomization\.yaml$/);
  const objects = filesUnder(folder, /\.yaml$/)
    .filter((path) => !kustomizations.includes(path))
    .flatMap((path) => documents(path));
  const find = (kind: string, name: string): Fields => {
    const found = objects.find((object) => object['kind'] === kind && object['metadata'].name === name);
    if (!found) throw new Error(`there is no ${kind} ${name}`);
    return found;
  };

  it('lists every file that it needs, and leaves none out', () => {
    const used = new Set<string>();
    for (const path of kustomizations) {
      const [kustomization] = documents(path) as [Fields];
      const names = [
        ...(kustomization['resources'] ?? []),
        ...(kustomization['components'] ?? []),
        ...[...(kustomization['configMapGenerator'] ?? []), ...(kustomization['secretGenerator'] ?? [])].flatMap(
          (generator: Fields) => [...(generator['files'] ?? []), ...(generator['envs'] ?? [])],
        ),
      ] as string[];
      for (const name of names) {
        expect([path, name, existsSync(join(dirname(path), name.replace(/^\w+=/, '')))]).toEqual([path, name, true]);
        used.add(join(dirname(path), name.replace(/^\w+=/, '')));
      }
      expect(strangers(kustomization, KUSTOMIZATION)).toEqual([]);
    }
    const loose = filesUnder(folder, /\.(yaml|env|conf|json)$/).filter(
      (path) => !used.has(path) && !kustomizations.includes(path) && !path.endsWith('.example.yaml'),
    );
    expect(loose).toEqual([]);
  });

  it('sets no variable that no service reads', () => {
    for (const path of filesUnder(folder, /config\.env$/)) {
      const names = read(path)
        .split('\n')
        .filter(Boolean)
        .map((line) => line.split('=')[0]!);
      expect(unknownOf(names)).toEqual([]);
    }
    for (const path of kustomizations) {
      const [kustomization] = documents(path) as [Fields];
      for (const generator of (kustomization['configMapGenerator'] ?? []) as Fields[]) {
        expect(unknownOf((generator['literals'] ?? []).map((text: string) => text.split('=')[0]))).toEqual([]);
      }
    }
  });

  it.each(services)('%s: probed, limited, confined, spread, and allowed only what it needs', (name) => {
    const pod = find('Deployment', name)['spec'].template;
    const container = pod.spec.containers[0];
    expect(container).toMatchObject({
      image: `flex/${name}`,
      livenessProbe: { httpGet: { path: '/health/live' } },
      readinessProbe: { httpGet: { path: '/health/ready' } },
      resources: {
        requests: { cpu: expect.any(String), memory: expect.any(String) },
        limits: { memory: expect.any(String) },
      },
      securityContext: {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      },
    });
    expect(pod.spec).toMatchObject({
      serviceAccountName: name,
      automountServiceAccountToken: false,
      securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
    });
    expect(pod.spec.topologySpreadConstraints).toHaveLength(2);
    expect(unknownOf(container.env.map((variable: Fields) => variable['name']))).toEqual([]);
    const labels = { 'app.kubernetes.io/name': name };
    // By which an upgrade applies one service after the other, readers before writers.
    expect(find('Deployment', name)['metadata'].labels).toEqual(labels);
    expect(find('Deployment', name)['spec'].strategy.rollingUpdate).toEqual({ maxUnavailable: 0, maxSurge: 1 });
    expect(pod.metadata.labels).toEqual(labels);
    find('ServiceAccount', name);
    expect(find('PodDisruptionBudget', name)['spec'].selector.matchLabels).toEqual(labels);
    expect(find('NetworkPolicy', name)['spec'].podSelector.matchLabels).toEqual(labels);
    const uses = container.env.some((variable: Fields) => variable['name'] === 'DATABASE_URL');
    const sources = filesUnder(join(root, 'apps', name, 'src'), /config\.ts$/).map((path) => read(path));
    expect(sources.some((source) => source.includes('extends DatabaseConfig'))).toBe(uses);
    // Out to NATS, Postgres, and to models and issuers of tokens; in only to the gateway.
    const rules = find('NetworkPolicy', name)['spec'];
    const outside =
      container.env.some((variable: Fields) => variable['name'] === 'OPENAI_BASE_URL') ||
      sources.some((source) => source.includes("@Env('FLEX_JWKS_URL')"));
    expect(portsOf(rules['egress'])).toEqual([...(outside ? [443] : []), 4222, ...(uses ? [5432] : [])]);
    expect(portsOf(rules['ingress'])).toEqual(name === 'gateway' ? [8080] : []);
  });

  it('migrates the tables of every service that has some, as a job', () => {
    const withTables = services.filter((name) => existsSync(join(root, 'apps', name, 'src/migrate.ts')));
    const containers = find('Job', 'migrate')['spec'].template.spec.containers as Fields[];
    expect(containers.map((container) => container['name'])).toEqual(withTables);
    for (const container of containers) {
      expect(container).toMatchObject({
        image: `flex/${container['name']}`,
        command: ['node', 'service/dist/migrate.js'],
        env: [{ name: 'DATABASE_URL' }],
        securityContext: { readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } },
      });
    }
    const stores = services.filter((name) =>
      filesUnder(join(root, 'apps', name, 'src'), /config\.ts$/).some((path) =>
        read(path).includes('extends DatabaseConfig'),
      ),
    );
    expect(withTables).toEqual(stores);
  });

  it('scales what exists, by consumers that exist', () => {
    const capabilities = JSON.parse(read(root, 'examples/catalog/capabilities.json')) as Fields[];
    const durables = new Set([
      ...Object.values<string>(Durable),
      // Nobody's program works off what people are asked.
      ...capabilities
        .filter(({ agentType }) => agentType !== 'human')
        .map(({ capabilityId }) => workerDurable(capabilityKey(capabilityId as string))),
    ]);
    const scaled = objects.filter((object) => object['spec']?.scaleTargetRef);
    expect(scaled.map((object) => object['metadata'].name).sort()).toEqual([
      'gateway',
      'orchestrator',
      'planner',
      'policy',
      'worker',
    ]);
    for (const object of scaled) {
      find('Deployment', object['spec'].scaleTargetRef.name);
      for (const trigger of (object['spec'].triggers ?? []) as Fields[]) {
        expect(trigger['metadata'].stream).toBe('FLEX');
        expect(durables).toContain(trigger['metadata'].consumer);
        // Every consumer of a service's work is one of its triggers, and the server that is asked is let in.
        expect(trigger['metadata'].natsServerMonitoringEndpoint).toBe('nats.flex.svc.cluster.local:8222');
      }
    }
    const asked = scaled.flatMap((object) => (object['spec'].triggers ?? []) as Fields[]);
    expect(new Set(asked.map((trigger) => trigger['metadata'].consumer))).toEqual(durables);
    expect(portsOf(find('NetworkPolicy', 'nats')['spec'].ingress)).toEqual([4222, 6222, 8222]);
  });

  it('has every server of NATS asked for its consumers: only the one that leads a consumer knows what waits for it', () => {
    const servers = Array.from(
      { length: find('StatefulSet', 'nats')['spec'].replicas as number },
      (_, i) => `nats-${i}`,
    );
    const exporter = /`-varz -jsz=all ([^`]+)`/.exec(read(folder, 'README.md'))![1]!;
    expect(exporter.split(/\s+/)).toEqual(servers.map((server) => `http://${server}.nats.flex:8222`));
    const expressions = [
      ...filesUnder(join(deploy, 'grafana'), /\.json$/),
      ...filesUnder(join(deploy, 'alerts'), /\.yaml$/),
    ].flatMap((path) => read(path).match(/jetstream_consumer_\w+\{[^}]*\}/g) ?? []);
    expect(expressions.length).toBeGreaterThan(1);
    for (const expression of expressions) expect(expression).toMatch(/is_consumer_leader=\\?"true\\?"/);
  });
});

describe('dashboards and alerts', () => {
  const LABELS = ['flex_capability_id', 'gen_ai_token_type'];
  const metricsOf = (text: string): string[] =>
    [...new Set(text.match(/\b(flex|gen_ai)_[a-z_]+/g) ?? [])].filter((name) => !LABELS.includes(name));
  /** Names of the instruments that the code makes, as Prometheus spells them. */
  const made = new Set(
    ['apps', 'libs'].flatMap((place) =>
      filesUnder(join(root, place), /(?<!\.spec)\.ts$/).flatMap((path) =>
        [
          ...read(path).matchAll(
            /create(?:Counter|Histogram|UpDownCounter|ObservableGauge)(?:<\w+>)?\(\s*'([a-z._]+)'/g,
          ),
        ].map((match) => match[1]!.replaceAll('.', '_')),
      ),
    ),
  );
  const rules = filesUnder(join(deploy, 'alerts'), /\.yaml$/).flatMap((path) =>
    documents(path).flatMap((file) => file['groups'].flatMap((group: Fields) => group['rules'])),
  ) as Fields[];

  it('ask only for metrics that a service writes', () => {
    const texts = [
      ...filesUnder(join(deploy, 'grafana'), /\.json$/).map((path) => read(path)),
      ...rules.map((r) => r['expr']),
    ];
    const base = (metric: string): string =>
      metric.replace(/(_seconds|_token|_USD)?(_total|_bucket|_sum|_count)?$/, '');
    const missing = texts.flatMap(metricsOf).filter((metric) => !made.has(metric) && !made.has(base(metric)));
    expect(missing).toEqual([]);
    const events = texts.flatMap((text) =>
      [...text.matchAll(/event=~?\\?"([a-z_.|]+)\\?"/g)].flatMap((match) => match[1]!.split('|')),
    );
    expect(events).toContain('run.completed');
    expect(appendsOf('orchestrator')).toEqual(expect.arrayContaining(events));
  });

  it('look back over several exports: of one a minute, a window of a minute holds one at most', () => {
    const texts = [
      ...filesUnder(join(deploy, 'grafana'), /\.json$/).map((path) => read(path)),
      ...rules.map((rule) => rule['expr'] as string),
    ];
    const windows = texts.flatMap((text) => [...text.matchAll(/\[(\d+)([smh])[\]:]/g)]);
    expect(windows.length).toBeGreaterThan(10);
    const short = windows.filter(([, n, unit]) => Number(n) * { s: 1, m: 60, h: 3600 }[unit as 's' | 'm' | 'h'] < 240);
    expect(short.map(([window]) => window)).toEqual([]);
    // And what a replica said that is gone is gone before it can hold back an alert for long.
    const [collector] = documents(join(deploy, 'compose/telemetry/collector.yaml')) as [Fields];
    expect(collector['exporters'].prometheus.metric_expiration).toBe('2m30s');
  });

  it('say what to do: every alert has a runbook, every runbook an alert', () => {
    expect(rules.length).toBeGreaterThan(5);
    for (const rule of rules) {
      expect(strangers(rule, ['alert', 'expr', 'for', 'labels', 'annotations'])).toEqual([]);
      expect(rule['annotations'].runbook).toBe(`docs/runbooks/${rule['alert']}.md`);
    }
    const books = readdirSync(join(root, 'docs/runbooks')).map((path) => basename(path, '.md'));
    expect(books.filter((name) => name !== 'README').sort()).toEqual(
      rules.map((rule) => rule['alert'] as string).sort(),
    );
  });

  it('documents every variable in docs/operations.md', () => {
    const text = read(root, 'docs/operations.md');
    expect([...known].filter((name) => !text.includes(`\`${name}\``))).toEqual([]);
  });
});

const strangers = (value: Fields, allowed: string[]): string[] =>
  Object.keys(value).filter((key) => !allowed.includes(key) && !key.startsWith('x-'));

/** Ports of the rules of a network policy, each once. */
const portsOf = (rules: Fields[]): number[] =>
  [...new Set(rules.flatMap((rule) => (rule['ports'] as Fields[]).map((one) => one['port'] as number)))].sort(
    (a, b) => a - b,
  );

const words = (text: string): string[] => text.split(' ');
const COMPOSE_SERVICE = words(
  'image build command environment ports volumes networks depends_on healthcheck restart read_only cap_drop ' +
    'security_opt stop_signal stop_grace_period profiles shm_size tmpfs',
);
const KUSTOMIZATION = words(
  'apiVersion kind namespace resources components configMapGenerator secretGenerator labels replicas images patches',
);
