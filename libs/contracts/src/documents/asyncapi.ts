import { catalogue, eventTypes, runCatalogue } from '../catalogue.js';
import { services } from '../events/define.js';
import { namedSchemas } from '../validate.js';
import { Components } from './components.js';

/** The bus as an AsyncAPI 3 document, made from the catalogue of events. */
export function asyncApiDocument(version: string): Record<string, unknown> {
  const components = new Components();
  for (const schema of Object.values(namedSchemas)) components.of(schema);
  const channels: Record<string, unknown> = {};
  const operations: Record<string, unknown> = {};
  const messages: Record<string, unknown> = {};
  for (const type of eventTypes) {
    const definition = catalogue[type];
    const keyed = (definition as { keyed?: boolean }).keyed === true;
    const name = type.replace('.', '_');
    messages[name] = {
      name: type,
      title: type,
      summary: definition.meaning,
      contentType: 'application/json',
      headers: {
        type: 'object',
        required: ['Nats-Msg-Id', 'ce-id', 'ce-type', 'ce-source', 'ce-dataschema'],
        properties: {
          'Nats-Msg-Id': {
            type: 'string',
            description: 'Derived from what happened, so that a repeat is the same message',
          },
          'ce-id': { type: 'string' },
          'ce-type': { type: 'string', const: type },
          'ce-source': { type: 'string', const: `/flex/${definition.by}` },
          'ce-dataschema': { type: 'string', const: `urn:flex:${type}:${definition.version}` },
          traceparent: { type: 'string' },
        },
      },
      payload: components.of(definition.data),
    };
    channels[name] = {
      address: addressOf(type, keyed),
      description: definition.meaning,
      messages: { [name]: { $ref: `#/components/messages/${name}` } },
      parameters: parametersOf(type, keyed),
    };
    operations[`${definition.by}_appends_${name}`] = {
      action: 'send',
      channel: { $ref: `#/channels/${name}` },
      summary: `${definition.by} appends ${type}`,
      messages: [{ $ref: `#/channels/${name}/messages/${name}` }],
    };
  }
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Flex event log',
      version,
      description: `One JetStream stream holds every event of every run; services: ${services.join(', ')}.`,
    },
    defaultContentType: 'application/json',
    channels,
    operations,
    components: { messages, schemas: components.schemas },
  };
}

const isRunEvent = (type: string): boolean => Object.hasOwn(runCatalogue, type);

function addressOf(type: string, keyed: boolean): string {
  if (type === 'partition.claimed') return 'partition.claimed.{partition}';
  if (type === 'thread.claimed') return 'thread.claimed.{thread}';
  if (!isRunEvent(type)) return `${type}.{tenant}.{name}`;
  return `${type}.{partition}.{runId}${keyed ? '.{capability}' : ''}`;
}

function parametersOf(type: string, keyed: boolean): Record<string, { description: string }> {
  if (type === 'thread.claimed') return { thread: { description: 'Hash of tenant and thread id' } };
  if (!isRunEvent(type))
    return { tenant: { description: 'Tenant' }, name: { description: 'Name of the facet or capability' } };
  return {
    partition: { description: 'Two digits: stable hash of the run id over the partition count' },
    ...(type === 'partition.claimed' ? {} : { runId: { description: 'Id of the run' } }),
    ...(keyed
      ? { capability: { description: 'Capability id; behind ~<tenant>. for tenants other than default' } }
      : {}),
  };
}
