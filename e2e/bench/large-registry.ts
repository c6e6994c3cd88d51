import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { createFlex } from '@flex/client';
import type { CompositionProblem } from '@flex/planning';
import { envelopeOf, snapshotOf } from './composition.js';
import { benchStack } from './bench-stack.js';
import { percentile, round } from './statistics.js';

const SET = 'wsc09-02';
const RUNS = 5;

/** One large published set in the running system: registered, planned over the log, while the gateway goes on answering. */
export async function benchLargeRegistry(env: NodeJS.ProcessEnv, checkout: string): Promise<Record<string, unknown>[]> {
  const file = join(env['FLEX_DATA'] ?? join(checkout, '../shared/data'), 'composition', `${SET}.json.gz`);
  if (!existsSync(file)) return [{ bench: 'registry', skipped: `no data at ${file}; set FLEX_DATA` }];
  const set = JSON.parse(gunzipSync(readFileSync(file)).toString()) as CompositionProblem;
  const stack = await benchStack({ sync: 'always' }, env);
  try {
    const flex = createFlex({ url: stack.url });
    const { facets, capabilities } = snapshotOf(set);
    const begun = performance.now();
    const response = await fetch(`${stack.url}/api/v1/flex/registry`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        facets: [...facets.values()],
        // The registry refuses what needs its own output: the output that is also an input says nothing.
        capabilities: [...capabilities.values()].map(({ status: _status, ...capability }) => ({
          ...capability,
          outputFacets: capability.outputFacets.filter((name) =>
            capability.inputFacets.every(({ facet }) => facet !== name),
          ),
        })),
      }),
    });
    if (!response.ok) throw new Error(`registration was refused: ${(await response.text()).slice(0, 500)}`);
    const registeredMs = performance.now() - begun;
    const plans: number[] = [];
    let nodes = 0;
    const answers: number[] = [];
    const asking = new AbortController();
    const responsive = ask(stack.url, answers, asking.signal);
    for (let i = 0; i < RUNS; i++) {
      const started = performance.now();
      for await (const frame of flex.runs.stream(envelopeOf(set))) {
        if (frame.type !== 'plan_generated') continue;
        plans.push(performance.now() - started);
        nodes = (await flex.plan.get(frame.runId)).nodes.length;
        await flex.runs.cancel(frame.runId, 'planned; nobody works on it');
      }
    }
    asking.abort();
    await responsive;
    return [
      {
        bench: 'registry',
        set: SET,
        capabilities: capabilities.size,
        facets: facets.size,
        registeredMs: round(registeredMs, 0),
        firstPlanMs: round(plans[0] ?? Number.NaN, 0),
        planP50Ms: round(percentile(plans.slice(1), 0.5), 0),
        nodes,
        readP99Ms: round(percentile(answers, 0.99), 0),
      },
    ];
  } finally {
    await stack.stop();
  }
}

/** Reads one facet over and over: how long others wait while the large set is planned. */
async function ask(url: string, answers: number[], signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const begun = performance.now();
    await (await fetch(`${url}/api/v1/flex/runs?limit=1`)).text();
    answers.push(performance.now() - begun);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
