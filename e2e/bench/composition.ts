import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { gunzipSync } from 'node:zlib';
import {
  noPolicies,
  type Facet,
  type RegisteredCapability,
  type RegistrySnapshot,
  type TaskEnvelope,
} from '@flex/contracts';
import { assemble, generateComposition, type Assembly, type CompositionProblem } from '@flex/planning';

/** One line of the result. `ms`: from the loaded registry snapshot to the finished plan, its index included. */
export interface CompositionResult {
  readonly set: string;
  readonly valid: boolean;
  readonly services: readonly string[];
  readonly depth: number;
  readonly count: number;
  readonly ms: number;
  readonly capabilities: number;
  readonly proven: boolean;
  /** Wanted facets that can't be provided. */
  readonly missing: readonly string[];
}

/** How long the search for a proof may take, unless `--budget` says otherwise. */
const BUDGET_MS = 5000;

/** Concepts become facets, services capabilities; names stay what they are. */
export function snapshotOf(set: CompositionProblem): RegistrySnapshot {
  const facets = new Map<string, Facet>();
  for (const [name, parent] of Object.entries(set.concepts))
    facets.set(name, {
      name,
      schema: true,
      direction: 'bidirectional',
      ...(parent === null ? {} : { extends: parent }),
    });
  const capabilities = new Map<string, RegisteredCapability>();
  for (const { name, inputs, outputs } of set.services)
    capabilities.set(name, {
      capabilityId: name,
      version: '1.0.0',
      displayName: name,
      kind: 'execution',
      agentType: 'ai',
      inputFacets: inputs.map((facet) => ({ facet, required: true })),
      outputFacets: [...outputs],
      status: 'active',
    });
  return { revision: 1, facets, capabilities };
}

export function envelopeOf(set: CompositionProblem): TaskEnvelope {
  return {
    objective: `Compose ${set.name}`,
    inputs: Object.fromEntries(set.request.provided.map((facet) => [facet, true])),
    outputContract: { mode: 'facets', facets: [...set.request.wanted] },
  };
}

/** Plans a set with the assembler that plans runs, and checks the plan against the problem as published. */
export function solve(set: CompositionProblem, budgetMs = BUDGET_MS): CompositionResult {
  const snapshot = snapshotOf(set);
  const envelope = envelopeOf(set);
  const clock = (): number => performance.now();
  const started = clock();
  const plan = assemble({ envelope, policies: noPolicies(), snapshot, budgetMs, clock });
  const ms = Math.round((clock() - started) * 10) / 10;
  const services = servicesOf(plan);
  return {
    set: set.name,
    valid: plan.missing.length === 0 && isValid(set, services),
    services,
    depth: plan.missing.length === 0 ? plan.depth : 0,
    count: services.length,
    ms,
    capabilities: set.services.length,
    // That something can't be reached at all is certain.
    proven: plan.proven || plan.missing.length > 0,
    missing: plan.missing,
  };
}

/** The services that the drafted plan runs; none when it can't do without a person. */
function servicesOf(plan: Assembly): string[] {
  if (plan.missing.length > 0) return [];
  return (plan.draft?.nodes ?? []).flatMap((node) => node.capabilityId ?? []);
}

/** Executes the services on the published data: each finds its inputs when its turn comes, and all that is wanted is there. */
export function isValid(set: CompositionProblem, services: readonly string[]): boolean {
  const available = new Set<string>();
  const bring = (concept: string): void => {
    for (let at: string | null | undefined = concept; at != null && !available.has(at); at = set.concepts[at])
      available.add(at);
  };
  set.request.provided.forEach(bring);
  const byName = new Map(set.services.map((service) => [service.name, service]));
  for (const name of services) {
    const service = byName.get(name);
    if (service === undefined || !service.inputs.every((input) => available.has(input))) return false;
    service.outputs.forEach(bring);
  }
  return set.request.wanted.every((concept) => available.has(concept));
}

/** A planner that runs has planned before: the first figures are not to be those of a cold compiler. */
export function warmUp(): void {
  for (let seed = 1; seed <= 3; seed += 1)
    solve(
      generateComposition({
        seed,
        concepts: 800,
        services: 400,
        depth: 6,
        width: 5,
        rivals: 7,
        maxInputs: 2,
        maxOutputs: 3,
        wanted: 3,
      }),
    );
}

export function readSet(file: string): CompositionProblem {
  const bytes = readFileSync(file);
  const set = JSON.parse((file.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8')) as CompositionProblem;
  if (typeof set.concepts !== 'object' || !Array.isArray(set.services) || typeof set.request !== 'object')
    throw new Error(`${file} is not a composition problem: it needs concepts, services and request`);
  return set;
}

/** The published sets beside the checkout, or where FLEX_DATA says; none where they are not. */
export function publishedSets(env: NodeJS.ProcessEnv): string[] {
  const folder = join(env['FLEX_DATA'] ?? resolve(import.meta.dirname, '..', '..', ...atRoot()), 'composition');
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => /\.json(\.gz)?$/.test(name))
    .sort()
    .map((name) => join(folder, name));
}

function defaultFiles(): string[] {
  const files = publishedSets(process.env);
  if (files.length > 0) return files;
  throw new Error(
    'There are no composition sets beside the checkout: name files, or the folder of the data in FLEX_DATA',
  );
}

/** From e2e/bench or e2e/dist/bench to ../shared/data beside the checkout. */
const atRoot = (): string[] => [
  ...(import.meta.dirname.includes(`${join('e2e', 'dist')}`) ? ['..'] : []),
  '..',
  'shared',
  'data',
];

/** `bench composition [files…] [--json] [--budget <ms>]`: one line per problem. */
export async function main(argv: readonly string[]): Promise<number> {
  const json = argv.includes('--json');
  const budgetAt = argv.indexOf('--budget');
  const budgetMs = budgetAt < 0 ? BUDGET_MS : Number(argv[budgetAt + 1]);
  const named = argv.filter((word, at) => !word.startsWith('--') && (budgetAt < 0 || at !== budgetAt + 1));
  if (!Number.isFinite(budgetMs) || budgetMs < 0) {
    process.stderr.write('--budget takes a number of milliseconds\n');
    return 64;
  }
  let failed = false;
  try {
    warmUp();
    for (const file of named.length > 0 ? named : defaultFiles()) {
      const result = solve(readSet(file), budgetMs);
      failed ||= !result.valid && result.missing.length === 0;
      process.stdout.write(`${json ? JSON.stringify(result) : asText(result)}\n`);
    }
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return 66;
  }
  return failed ? 1 : 0;
}

function asText(result: CompositionResult): string {
  const { set, valid, count, depth, ms, capabilities, proven, missing } = result;
  const found = valid
    ? `${String(count).padStart(3)} services, depth ${String(depth).padStart(2)}, ${proven ? 'proven minimal' : 'not proven'}`
    : `no solution: ${missing.join(', ')}`;
  return `${set.padEnd(14)} ${String(capabilities).padStart(6)} capabilities ${ms.toFixed(1).padStart(8)} ms  ${found}`;
}
