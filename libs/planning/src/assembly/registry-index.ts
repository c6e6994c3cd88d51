import type { Facet, RegisteredCapability, RegistrySnapshot } from '@flex/contracts';

/**
 * The registry as integers: what the composition search reads instead of names.
 *
 * Facets are interned, `extends` becomes a parent array, and what each capability needs and gives lies in flat
 * arrays (compressed rows: the entries of row i are `items[start[i] .. start[i + 1]]`). Built once per snapshot in time linear
 * to its size, and kept as long as the snapshot itself.
 */
/** A list of integer lists in two flat arrays. */
export interface Rows {
  readonly start: Int32Array;
  readonly items: Int32Array;
}

export interface RegistryIndex {
  readonly facetNames: readonly string[];
  readonly facetIds: ReadonlyMap<string, number>;
  /** The facet that each facet specialises, or -1. Free of cycles: the link that would close one is left out. */
  readonly parent: Int32Array;
  /** Facets whose `extends` leads back to themselves; the registry refuses them, a snapshot may still hold them. */
  readonly cyclicFacets: readonly number[];
  readonly capabilities: readonly RegisteredCapability[];
  readonly capabilityNumbers: ReadonlyMap<string, number>;
  readonly requiredInputs: Rows;
  readonly optionalInputs: Rows;
  readonly outputs: Rows;
  /** For each facet the capabilities that require exactly it. */
  readonly consumers: Rows;
}

const indexes = new WeakMap<object, RegistryIndex>();

/** The index of a snapshot, built on first use. A snapshot is immutable: a new revision is a new object. */
export function indexRegistry(snapshot: RegistrySnapshot): RegistryIndex {
  let index = indexes.get(snapshot);
  if (index === undefined) {
    index = buildIndex(snapshot);
    indexes.set(snapshot, index);
  }
  return index;
}

/** Whether a capability can't run without an input: what it says itself, else the facet's default, else yes. */
export function isRequired(
  input: { readonly facet: string; readonly required?: boolean },
  facets: ReadonlyMap<string, Facet>,
): boolean {
  return input.required ?? facets.get(input.facet)?.requiredByDefault ?? true;
}

function buildIndex(snapshot: RegistrySnapshot): RegistryIndex {
  const facetIds = new Map<string, number>();
  const facetNames: string[] = [];
  const intern = (name: string): number => {
    let id = facetIds.get(name);
    if (id === undefined) {
      id = facetNames.length;
      facetIds.set(name, id);
      facetNames.push(name);
    }
    return id;
  };
  for (const name of snapshot.facets.keys()) intern(name);

  const required = new RowBuilder(snapshot.capabilities.size);
  const optional = new RowBuilder(snapshot.capabilities.size);
  const outputs = new RowBuilder(snapshot.capabilities.size);
  const capabilities: RegisteredCapability[] = [];
  const capabilityNumbers = new Map<string, number>();
  for (const capability of snapshot.capabilities.values()) {
    capabilityNumbers.set(capability.capabilityId, capabilities.length);
    capabilities.push(capability);
    for (const input of capability.inputFacets)
      (isRequired(input, snapshot.facets) ? required : optional).add(intern(input.facet));
    for (const output of capability.outputFacets) outputs.add(intern(output));
    required.endRow();
    optional.endRow();
    outputs.endRow();
  }

  const parent = new Int32Array(facetNames.length).fill(-1);
  for (const facet of snapshot.facets.values()) {
    if (facet.extends === undefined) continue;
    parent[facetIds.get(facet.name)!] = facetIds.get(facet.extends) ?? -1;
  }
  const cyclicFacets = cutCycles(parent);
  const requiredInputs = required.rows();
  return {
    facetNames,
    facetIds,
    parent,
    cyclicFacets,
    capabilities,
    capabilityNumbers,
    requiredInputs,
    optionalInputs: optional.rows(),
    outputs: outputs.rows(),
    consumers: transpose(requiredInputs, facetNames.length),
  };
}

/** Removes one link of every cycle of a parent array; returns the facets whose link was removed. */
function cutCycles(parent: Int32Array): number[] {
  const cut: number[] = [];
  const visitedBy = new Int32Array(parent.length).fill(-1);
  for (let facet = 0; facet < parent.length; facet += 1) {
    let at = facet;
    while (at !== -1 && visitedBy[at] === -1) {
      visitedBy[at] = facet;
      const next = parent[at]!;
      if (next !== -1 && visitedBy[next] === facet) {
        parent[at] = -1;
        cut.push(at);
        break;
      }
      at = next;
    }
  }
  return cut;
}

class RowBuilder {
  private readonly start: Int32Array;
  private items = new Int32Array(1024);
  private length = 0;
  private row = 0;

  constructor(rows: number) {
    this.start = new Int32Array(rows + 1);
  }

  /** Adds an item to the open row; a repeated item counts once (rows are short, so a scan is cheapest). */
  add(item: number): void {
    for (let at = this.start[this.row]!; at < this.length; at += 1) if (this.items[at] === item) return;
    if (this.length === this.items.length) {
      const grown = new Int32Array(this.items.length * 2);
      grown.set(this.items);
      this.items = grown;
    }
    this.items[this.length] = item;
    this.length += 1;
  }

  endRow(): void {
    this.row += 1;
    this.start[this.row] = this.length;
  }

  rows(): Rows {
    return { start: this.start, items: this.items.subarray(0, this.length) };
  }
}

function transpose(rows: Rows, columns: number): Rows {
  const start = new Int32Array(columns + 1);
  for (let at = 0; at < rows.items.length; at += 1) start[rows.items[at]! + 1]! += 1;
  for (let column = 0; column < columns; column += 1) start[column + 1]! += start[column]!;
  const items = new Int32Array(rows.items.length);
  const next = start.slice(0, columns);
  for (let row = 0; row + 1 < rows.start.length; row += 1) {
    for (let at = rows.start[row]!; at < rows.start[row + 1]!; at += 1) {
      const column = rows.items[at]!;
      items[next[column]!] = row;
      next[column]! += 1;
    }
  }
  return { start, items };
}
