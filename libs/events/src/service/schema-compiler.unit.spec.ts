import { readFileSync } from 'node:fs';
import type { JsonSchema } from '@flex/contracts';
import { SchemaCompiler } from './schema-compiler.js';

const properties = (count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`property${i}`, { type: 'string', minLength: 1 }]));

/** Formally right, and its compiled form would fill gigabytes. */
const endless = (copies: number) => ({
  $defs: { wide: { properties: properties(100) } },
  anyOf: Array(copies).fill({ $ref: '#/$defs/wide' }),
});

describe('SchemaCompiler', () => {
  it('says where a schema is wrong, and what does not resolve', async () => {
    const compiler = new SchemaCompiler();
    const first = async (schema: JsonSchema) => (await compiler.faults(schema))[0];
    expect(await first({ type: 'strin' })).toMatchObject({ pointer: '/type', keyword: 'enum' });
    expect(await first({ $schema: 'http://json-schema.org/draft-07/schema#' })).toMatchObject({ pointer: '/$schema' });
    expect((await first({ $ref: '#/$defs/missing' }))?.message).toMatch(/^does not compile: .*missing/);
    expect(await compiler.faults({ $ref: '#/$defs/a', $defs: { a: { type: 'string' } } })).toEqual([]);
    await compiler.close();
  });

  it('gives up on a schema without end, judges the next as if nothing had been, and outlives it', async () => {
    const patient = new SchemaCompiler({ ms: 60_000, mib: 24 });
    const began = performance.now();
    expect((await patient.faults(endless(20_000)))[0]?.message).toBe('takes more than 24 MiB to compile');
    const filled = performance.now() - began;
    expect(await patient.faults({ $ref: '#/$defs/a', $defs: { a: { type: 'string' } } })).toEqual([]);
    await patient.close();
    // Both limits at nearly the same moment, from either side.
    for (let share = 0.6; share < 1.2; share += 0.08) {
      const ms = Math.round(filled * share);
      const compiler = new SchemaCompiler({ ms, mib: 24 });
      const [fault] = await compiler.faults(endless(20_000));
      expect(fault?.message).toMatch(new RegExp(`^takes (longer than ${ms} ms|more than 24 MiB) to compile$`));
      await compiler.close();
    }
  }, 120_000);

  it('outlives a schema that asks for much memory at once', async () => {
    const compiler = new SchemaCompiler({ ms: 60_000, mib: 24 });
    const wide = { $defs: { a: { enum: Array.from({ length: 400_000 }, (_, i) => `value ${i}`) } }, $ref: '#/$defs/a' };
    expect((await compiler.faults(wide as JsonSchema))[0]?.message).toBe('takes more than 24 MiB to compile');
    expect(await compiler.faults({ $ref: '#/$defs/a', $defs: { a: { type: 'string' } } })).toEqual([]);
    await compiler.close();
  });

  // Not a thread: V8 may end the whole process when a thread's heap is full.
  it('judges in a process of its own, whose end is nobody else’s', async () => {
    const compiler = new SchemaCompiler({ ms: 60_000, mib: 96 });
    const judging = compiler.faults(endless(20_000));
    process.kill(await childWith('--max-old-space-size=96'), 'SIGKILL');
    expect((await judging)[0]?.message).toBe('takes more than 96 MiB to compile');
    expect(await compiler.faults({ $ref: '#/$defs/a', $defs: { a: { type: 'string' } } })).toEqual([]);
    await compiler.close();
  });
});

/** The child of this process that was started with an argument, as soon as it is there. */
async function childWith(argument: string): Promise<number> {
  for (;;) {
    const children = readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, 'utf8').trim().split(' ');
    for (const pid of children.filter(Boolean))
      if (readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(argument)) return Number(pid);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
