import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import type { Capability, Facet } from '@flex/contracts';

export interface Catalog {
  facets: Facet[];
  capabilities: Capability[];
}

/** Where the reference catalogue lies in the repository, seen from the built or the source file. */
const DEFAULT_FOLDER = fileURLToPath(new URL('../../../examples/catalog/', import.meta.url));

/** Reads the facets and capabilities that the reference agents bring. Their meaning is judged by the registry. */
export function readCatalog(folder: string = DEFAULT_FOLDER): Catalog {
  return { facets: list(folder, 'facets.json'), capabilities: list(folder, 'capabilities.json') };
}

function list<T>(folder: string, name: string): T[] {
  const path = join(folder, name);
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new Error(`cannot read the catalogue ${path}: ${(error as Error).message}`, { cause: error });
  }
  if (!Array.isArray(value)) throw new Error(`the catalogue ${path} is not a list`);
  return value as T[];
}
