import { sql, type Generated, type Kysely } from 'kysely';
import type { Facet, RegisteredCapability } from '@flex/contracts';
import { migrate, type Migrations } from '@flex/events/postgres';

export interface RegistryTables {
  'registry.facets': {
    tenant: string;
    name: string;
    version: number;
    body: string;
    bucket: string;
    revision: number;
    published_at: Generated<Date>;
  };
  'registry.capabilities': {
    tenant: string;
    capability_id: string;
    status: string;
    body: string;
    bucket: string;
    revision: number;
    updated_at: Generated<Date>;
  };
}

/** A stored entry and the revision of the live bucket that it came from. */
export interface Stored<T> {
  value: T;
  bucket: string;
  revision: number;
}

export const migrations: Migrations = {
  '0001-catalogue': async (db) => {
    await sql`create table registry.facets (
      tenant text not null, name text not null, version integer not null, body jsonb not null,
      bucket text not null, revision bigint not null, published_at timestamptz not null default now(),
      primary key (tenant, name, version))`.execute(db);
    await sql`create table registry.capabilities (
      tenant text not null, capability_id text not null, status text not null, body jsonb not null,
      bucket text not null, revision bigint not null, updated_at timestamptz not null default now(),
      primary key (tenant, capability_id))`.execute(db);
  },
};

const ROWS = 500;

/** The store of the catalogue: all versions of facets, the last state of capabilities. Follows the live bucket. */
export class PostgresCatalogue {
  constructor(private readonly db: Kysely<RegistryTables>) {}

  async migrate(): Promise<void> {
    await migrate(this.db, 'registry', migrations);
  }

  async saveFacets(facets: Stored<Facet>[]): Promise<void> {
    for (const rows of portions(facets)) {
      await this.db
        .insertInto('registry.facets')
        .values(
          rows.map(({ value, bucket, revision }) => ({
            tenant: value.tenant ?? 'default',
            name: value.name,
            version: value.version ?? 1,
            body: JSON.stringify(value),
            bucket,
            revision,
          })),
        )
        .onConflict((conflict) =>
          conflict.columns(['tenant', 'name', 'version']).doUpdateSet((eb) => ({
            body: eb.ref('excluded.body'),
            bucket: eb.ref('excluded.bucket'),
            revision: eb.ref('excluded.revision'),
          })),
        )
        .execute();
    }
  }

  /** Replicas may save out of order: an older revision of the same bucket never replaces a newer one. */
  async saveCapabilities(capabilities: Stored<RegisteredCapability>[]): Promise<void> {
    for (const rows of portions(capabilities)) {
      await this.db
        .insertInto('registry.capabilities')
        .values(
          rows.map(({ value, bucket, revision }) => ({
            tenant: value.tenant ?? 'default',
            capability_id: value.capabilityId,
            status: value.status,
            body: JSON.stringify(value),
            bucket,
            revision,
          })),
        )
        .onConflict((conflict) =>
          conflict
            .columns(['tenant', 'capability_id'])
            .doUpdateSet((eb) => ({
              status: eb.ref('excluded.status'),
              body: eb.ref('excluded.body'),
              bucket: eb.ref('excluded.bucket'),
              revision: eb.ref('excluded.revision'),
              updated_at: sql<Date>`now()`,
            }))
            .where(
              sql<boolean>`registry.capabilities.bucket <> excluded.bucket or registry.capabilities.revision < excluded.revision`,
            ),
        )
        .execute();
    }
  }

  async removeCapability(tenant: string, capabilityId: string): Promise<void> {
    await this.db
      .deleteFrom('registry.capabilities')
      .where('tenant', '=', tenant)
      .where('capability_id', '=', capabilityId)
      .execute();
  }

  /** The newest version of every facet. */
  async facets(): Promise<Stored<Facet>[]> {
    const rows = await this.db
      .selectFrom('registry.facets')
      .distinctOn(['tenant', 'name'])
      .select(['body', 'bucket', 'revision'])
      .orderBy('tenant')
      .orderBy('name')
      .orderBy('version', 'desc')
      .execute();
    return rows.map((row) => stored<Facet>(row));
  }

  async capabilities(): Promise<Stored<RegisteredCapability>[]> {
    const rows = await this.db.selectFrom('registry.capabilities').select(['body', 'bucket', 'revision']).execute();
    return rows.map((row) => stored<RegisteredCapability>(row));
  }

  async facetVersions(tenant: string, name: string): Promise<{ version: number; publishedAt: string; facet: Facet }[]> {
    const rows = await this.db
      .selectFrom('registry.facets')
      .select(['version', 'body', 'published_at'])
      .where('tenant', '=', tenant)
      .where('name', '=', name)
      .orderBy('version', 'desc')
      .execute();
    return rows.map(({ version, body, published_at }) => ({
      version,
      publishedAt: published_at.toISOString(),
      facet: body as unknown as Facet,
    }));
  }
}

/** The driver gives jsonb parsed and bigint as text. */
const stored = <T>(row: { body: string; bucket: string; revision: number }): Stored<T> => ({
  value: row.body as unknown as T,
  bucket: row.bucket,
  revision: Number(row.revision),
});

function* portions<T>(all: T[]): Generator<T[]> {
  for (let from = 0; from < all.length; from += ROWS) yield all.slice(from, from + ROWS);
}
