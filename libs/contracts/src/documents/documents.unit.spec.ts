import { asyncApiDocument, eventTypes, openApiDocument } from '../index.js';

/** Every `$ref` of a document leads somewhere inside it. */
function danglingRefs(document: unknown): string[] {
  const dangling: string[] = [];
  const walk = (value: unknown): void => {
    if (Array.isArray(value)) return value.forEach(walk);
    if (value === null || typeof value !== 'object') return;
    for (const [key, inner] of Object.entries(value)) {
      if (key === '$ref' && typeof inner === 'string') {
        let at: unknown = document;
        for (const token of inner.split('/').slice(1)) at = (at as Record<string, unknown> | undefined)?.[token];
        if (at === undefined || !inner.startsWith('#/')) dangling.push(inner);
      } else walk(inner);
    }
  };
  walk(document);
  return dangling;
}

describe('published documents', () => {
  it('OpenAPI: every reference resolves, every operation has an id of its own', () => {
    const document = openApiDocument('0.0.0') as { paths: Record<string, Record<string, { operationId: string }>> };
    expect(danglingRefs(document)).toEqual([]);
    const ids = Object.values(document.paths).flatMap((path) => Object.values(path).map((one) => one.operationId));
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.length).toBeGreaterThan(20);
  });

  it('AsyncAPI: every event is a channel, every reference resolves', () => {
    const document = asyncApiDocument('0.0.0') as { channels: Record<string, unknown> };
    expect(danglingRefs(document)).toEqual([]);
    expect(Object.keys(document.channels)).toHaveLength(eventTypes.length);
  });
});
