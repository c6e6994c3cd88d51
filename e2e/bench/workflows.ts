import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { benchStack, envelopeOf, streamRun, type BenchStack } from './bench-stack.js';
import { lastSeq, rawLimit } from './raw-limit.js';
import { round } from './statistics.js';

interface Workflow {
  name: string;
  tasks: { id: string; name: string; parents: string[]; runtimeSeconds: number }[];
}

/** Executed workflow graphs of others, one second scaled to one millisecond: makespan over the critical path, beside the server's for the same messages. */
export async function benchWorkflows(env: NodeJS.ProcessEnv, checkout: string): Promise<Record<string, unknown>[]> {
  const folder = join(env['FLEX_DATA'] ?? join(checkout, '../shared/data'), 'workflows');
  if (!existsSync(folder)) return [{ bench: 'workflows', skipped: `no data at ${folder}; set FLEX_DATA` }];
  const stack = await benchStack({ sync: 'default' }, env);
  try {
    const rows: Record<string, unknown>[] = [];
    for (const file of readdirSync(folder)
      .filter((name) => name.endsWith('.json.gz'))
      .sort()) {
      const workflow = JSON.parse(gunzipSync(readFileSync(join(folder, file))).toString()) as Workflow;
      rows.push(await one(stack, workflow, file.replace('.json.gz', '')));
    }
    return rows;
  } finally {
    await stack.stop();
  }
}

async function one({ url, natsUrl }: BenchStack, workflow: Workflow, set: string): Promise<Record<string, unknown>> {
  const ids = new Map(workflow.tasks.map((task, i) => [task.id, `t${i}`]));
  const nodes = workflow.tasks.map((task) => ({
    id: ids.get(task.id)!,
    kind: 'execution' as const,
    capabilityId: 'bench.sleep',
    label: task.name.slice(0, 100) || task.id,
    inputFacets: ['benchMs'],
    outputFacets: ['benchTick'],
    inputs: { benchMs: task.runtimeSeconds },
  }));
  const edges = workflow.tasks.flatMap((task) =>
    task.parents.map((parent) => ({ from: ids.get(parent)!, to: ids.get(task.id)!, facets: [] })),
  );
  const before = await lastSeq(natsUrl);
  const { total, text } = await streamRun(url, envelopeOf({ nodes, edges }, { benchMs: 0 }));
  const raw = await rawLimit(natsUrl, before + 1, await lastSeq(natsUrl));
  const bound = criticalPath(workflow);
  const { orderKept, onceEach } = checkOrder(text, edges, nodes.length);
  return {
    bench: 'workflows',
    set,
    tasks: nodes.length,
    ms: round(total),
    boundMs: round(bound),
    overBound: round(total / bound, 2),
    rawMs: round(raw.ms),
    orderKept,
    onceEach,
  };
}

function criticalPath(workflow: Workflow): number {
  const byId = new Map(workflow.tasks.map((task) => [task.id, task]));
  const memo = new Map<string, number>();
  const finish = (id: string): number => {
    const known = memo.get(id);
    if (known !== undefined) return known;
    const task = byId.get(id)!;
    const value = task.runtimeSeconds + Math.max(0, ...task.parents.map(finish));
    memo.set(id, value);
    return value;
  };
  return Math.max(...workflow.tasks.map((task) => finish(task.id)));
}

/** Reads the frames again: no node began before what it depends on was complete, and each completed once. */
function checkOrder(
  text: string,
  edges: { from: string; to: string }[],
  count: number,
): { orderKept: boolean; onceEach: boolean } {
  const started = new Map<string, number>();
  const completed = new Map<string, number>();
  let completions = 0;
  let at = 0;
  for (const line of text.split('\n')) {
    if (!line.startsWith('data:')) continue;
    const frame = JSON.parse(line.slice(5)) as { type: string; nodeId?: string };
    at++;
    if (frame.type === 'node_start') started.set(frame.nodeId!, at);
    if (frame.type === 'node_complete') {
      completed.set(frame.nodeId!, at);
      completions++;
    }
  }
  return {
    orderKept: edges.every(({ from, to }) => (completed.get(from) ?? Infinity) < (started.get(to) ?? -1)),
    onceEach: completions === count && completed.size === count,
  };
}
