import type { JsonSchema, ValidationIssue } from '@flex/contracts';
import { unsafeSchema } from '@flex/planning';
import { SchemaCompiler } from '@flex/events/service';

/**
 * Compiles the schema of a contract once aside, in a thread with a time limit, before any service compiles it where
 * others wait: what takes for ever there takes nobody with it.
 */
export class ContractSchemas {
  constructor(private readonly compiler: Pick<SchemaCompiler, 'faults'>) {}

  /** Faults of the schema of what may be an envelope. Everything else about it is judged elsewhere. */
  async faults(envelope: unknown): Promise<ValidationIssue[]> {
    const schema = schemaOf(envelope);
    // Unsafe ones are refused without being compiled, plain ones compile in no time.
    if (schema === undefined || SchemaCompiler.isPlain(schema) || unsafeSchema(schema, '').length > 0) return [];
    const faults = await this.compiler.faults(schema);
    return faults.map(({ pointer, message, ...fault }) => ({
      ...fault,
      pointer: `/outputContract/schema${pointer}`,
      message: `is not a valid JSON Schema: ${message}`,
    }));
  }
}

function schemaOf(envelope: unknown): JsonSchema | undefined {
  const contract = (envelope as { outputContract?: { mode?: unknown; schema?: unknown } } | null)?.outputContract;
  const schema = contract?.mode === 'json_schema' ? contract.schema : undefined;
  return typeof schema === 'object' && schema !== null && !Array.isArray(schema) ? (schema as JsonSchema) : undefined;
}
