import asyncApiSchemas from '@asyncapi/specs';
import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { readFileSync } from 'node:fs';
import { API_VERSION, asyncApiDocument, eventTypes, openApiDocument, routes, type ApiRoute } from '../index.js';

const golden = (type: string): { data: unknown; version: number } =>
  JSON.parse(readFileSync(new URL(`../../golden/${type}.v1.json`, import.meta.url), 'utf8')) as never;

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

  it('OpenAPI: headers stand where they count, and a problem is what the gateway answers', () => {
    type Operation = { parameters: { name: string }[]; responses: Record<string, { headers?: object }> };
    const document = openApiDocument('0.0.0') as {
      paths: Record<string, Record<string, Operation>>;
      components: { schemas: { Problem: { properties: object } } };
    };
    const operation = (id: string): Operation => {
      const { path, method } = routes.find((route) => route.id === id)!;
      return document.paths[path]![method.toLowerCase()]!;
    };
    const asks = (id: string): string[] => operation(id).parameters.map(({ name }) => name);
    for (const id of ['replanRun', 'resolveTask']) expect(asks(id)).toContain('If-Match');
    expect(asks('cancelRun')).not.toContain('If-Match');
    for (const { id } of routes) expect(asks(id)).toContain('X-Request-Id');
    for (const { id, query, problems } of routes as readonly ApiRoute[])
      expect([id, problems.includes('invalid_query')]).toEqual([id, query !== undefined]);
    expect(operation('getPlan').responses['200']!.headers).toHaveProperty('ETag');
    expect(operation('createRun').responses['202']!.headers).toHaveProperty('Location');
    expect(operation('streamRun').responses['200']!.headers).toHaveProperty('X-Run-Id');
    expect(operation('streamFrames').responses).toHaveProperty('204');
    expect(document.components.schemas.Problem.properties).toHaveProperty('extensions');
  });

  it('AsyncAPI: every event is a channel, every reference resolves', () => {
    const document = asyncApiDocument('0.0.0') as { channels: Record<string, unknown> };
    expect(danglingRefs(document)).toEqual([]);
    expect(Object.keys(document.channels)).toHaveLength(eventTypes.length);
  });

  it('OpenAPI: an independent validator finds nothing, and notices when something is wrong', async () => {
    const judge = (document: Record<string, unknown>) => new Validator().validate(structuredClone(document));
    const document = openApiDocument(API_VERSION);
    expect(await judge(document)).toEqual({ valid: true });
    expect((await judge({ ...document, info: {} })).valid).toBe(false);
    expect((await judge({ ...document, paths: { '/x': { get: { responses: 7 } } } })).valid).toBe(false);
  });

  it('OpenAPI: every example is what its own schema wants', () => {
    const document = openApiDocument(API_VERSION);
    const ajv = new Ajv2020({ strict: false, validateFormats: false });
    ajv.addSchema(document, 'openapi');
    let examples = 0;
    for (const { id, path, method, example } of routes as readonly ApiRoute[]) {
      if (example?.body === undefined) continue;
      const at = ['paths', path, method.toLowerCase(), 'requestBody', 'content', 'application/json', 'schema'];
      const pointer = at
        .map((token) => encodeURIComponent(token.replaceAll('~', '~0').replaceAll('/', '~1')))
        .join('/');
      const validate = ajv.getSchema(`openapi#/${pointer}`)!;
      expect([id, validate(example.body), validate.errors]).toEqual([id, true, null]);
      examples += 1;
    }
    expect(examples).toBeGreaterThan(10);
  });

  it('AsyncAPI: the schema of the specification finds nothing, and notices when something is wrong', () => {
    // It brings the meta schema of its dialect itself.
    const ajv = new Ajv({ strict: false, validateFormats: false, meta: false, validateSchema: false });
    const validate = ajv.compile(asyncApiSchemas.schemas['3.0.0'] as object);
    const document = asyncApiDocument(API_VERSION);
    expect([validate(document), validate.errors]).toEqual([true, null]);
    expect(validate({ ...document, info: {} })).toBe(false);
    expect(validate({ ...document, channels: { x: { address: 7 } } })).toBe(false);
  });

  it('AsyncAPI: what is stored is what the document says of it', () => {
    const document = asyncApiDocument(API_VERSION);
    const ajv = new Ajv2020({ strict: false, validateFormats: false });
    ajv.addSchema(document, 'asyncapi');
    for (const type of eventTypes) {
      const validate = ajv.getSchema(`asyncapi#/components/messages/${type.replace('.', '_')}/payload`)!;
      const { data } = golden(type);
      expect([type, validate(data), validate.errors]).toEqual([type, true, null]);
    }
  });

  it('AsyncAPI: docs/asyncapi.json is current (libs/contracts/scripts/write-asyncapi.mjs writes it)', () => {
    const stored = readFileSync(new URL('../../../../docs/asyncapi.json', import.meta.url), 'utf8');
    expect(JSON.parse(stored)).toEqual(JSON.parse(JSON.stringify(asyncApiDocument(API_VERSION))));
  });
});
