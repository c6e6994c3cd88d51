import type { TSchema } from '../schema.js';

/**
 * Turns schemas into document form: named ones (`$id: flex:X`) become components that are referred to, so that each
 * stands once in the document.
 */
export class Components {
  readonly schemas: Record<string, unknown> = {};

  of(schema: TSchema): unknown {
    return this.#walk(schema, false);
  }

  #walk(value: unknown, inProperties: boolean): unknown {
    if (Array.isArray(value)) return value.map((item) => this.#walk(item, false));
    if (value === null || typeof value !== 'object') return value;
    const source = value as Record<string, unknown>;
    const id = !inProperties && typeof source['$id'] === 'string' ? source['$id'] : undefined;
    if (id?.startsWith('flex:')) return this.#component(id.slice('flex:'.length), source);
    const out: Record<string, unknown> = {};
    for (const [key, inner] of Object.entries(source)) {
      if (key === '$ref' && !inProperties && typeof inner === 'string' && inner.startsWith('flex:'))
        out[key] = `#/components/schemas/${inner.slice('flex:'.length)}`;
      // Both documents mean the same by `oneOf` with constants; `discriminator` would need a mapping of component names.
      else if (key === 'discriminator' && !inProperties) continue;
      else out[key] = this.#walk(inner, !inProperties && key === 'properties');
    }
    return out;
  }

  #component(name: string, source: Record<string, unknown>): unknown {
    if (!(name in this.schemas)) {
      this.schemas[name] = {};
      const { $id: _id, ...rest } = source;
      this.schemas[name] = this.#walk(rest, false);
    }
    return { $ref: `#/components/schemas/${name}` };
  }
}
