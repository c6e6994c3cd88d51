import type { NatsConnection } from '@nats-io/nats-core';
import { DEFAULT_TENANT, type Capability, type Facet, type Json, type ValidationIssue } from '@flex/contracts';
import { Bucket, BucketWatch, changeOf, everyFacetOf, facetKey, type BucketEntry } from '@flex/events';
import { issuesAgainstKept } from './schema-validator.js';

/**
 * The facets that this worker's capabilities speak of, as the registry has them now: their schemas, and under which
 * property a composed object holds them.
 */
export class FacetBook {
  readonly #facets = new Map<string, Facet>();
  readonly #wanted = new Set<string>();
  readonly #watches: BucketWatch[];

  constructor(nc: NatsConnection, capabilities: readonly Capability[]) {
    const tenants = new Set<string>();
    for (const { tenant = DEFAULT_TENANT, inputFacets, outputFacets } of capabilities) {
      for (const name of [...inputFacets.map(({ facet }) => facet), ...outputFacets]) {
        this.#wanted.add(facetKey(DEFAULT_TENANT, name)).add(facetKey(tenant, name));
        tenants.add(DEFAULT_TENANT).add(tenant);
      }
    }
    this.#watches = [...tenants].map(
      (tenant) =>
        new BucketWatch({
          nc,
          bucket: Bucket.registry,
          keys: [everyFacetOf(tenant)],
          onEntries: (entries) => this.#learn(entries),
        }),
    );
  }

  close(): void {
    for (const watch of this.#watches) watch.close();
  }

  get(name: string, tenant: string): Facet | undefined {
    return this.#facets.get(`${tenant}.${name}`) ?? this.#facets.get(`${DEFAULT_TENANT}.${name}`);
  }

  /** Values under the names of their facets, whether they came under those or under the facets' property keys. */
  byFacet(values: Record<string, Json>, names: readonly string[], tenant: string): Record<string, Json> {
    let renamed: Record<string, Json> | undefined;
    for (const name of names) {
      const key = this.get(name, tenant)?.propertyKey;
      if (key === undefined || key === name || name in values || !(key in values)) continue;
      renamed ??= { ...values };
      renamed[name] = renamed[key]!;
      delete renamed[key];
    }
    return renamed ?? values;
  }

  /** The other way round: as the node's output schema sees them. */
  byPropertyKey(values: Record<string, Json>, tenant: string): Record<string, Json> {
    let renamed: Record<string, Json> | undefined;
    for (const name of Object.keys(values)) {
      const key = this.get(name, tenant)?.propertyKey;
      if (key === undefined || key === name) continue;
      renamed ??= { ...values };
      renamed[key] = renamed[name]!;
      delete renamed[name];
    }
    return renamed ?? values;
  }

  /** What is wrong with the inputs of a step: a required facet is missing, or a value breaks its facet's schema. */
  inputIssues(capability: Capability, inputs: Record<string, Json>): ValidationIssue[] {
    const issues: ValidationIssue[] = [];
    const tenant = capability.tenant ?? DEFAULT_TENANT;
    for (const { facet, required = true } of capability.inputFacets) {
      const value = inputs[facet];
      if (value === undefined) {
        if (required)
          issues.push({ pointer: `/${facet}`, message: `"${facet}" is required`, keyword: 'required', facet });
        continue;
      }
      const known = this.get(facet, tenant);
      if (!known) continue;
      for (const issue of issuesAgainstKept(known.schema, value)) {
        issues.push({ ...issue, pointer: `/${facet}${issue.pointer}`, facet, title: known.title });
      }
    }
    return issues;
  }

  #learn(entries: BucketEntry[]): void {
    for (const entry of entries) {
      if (!this.#wanted.has(entry.key)) continue;
      const change = changeOf(entry);
      if (change?.kind !== 'facet') continue;
      const key = `${change.tenant}.${change.name}`;
      if (change.value) this.#facets.set(key, change.value);
      else this.#facets.delete(key);
    }
  }
}
