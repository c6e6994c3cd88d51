import { setTimeout as delay } from 'node:timers/promises';
import type { TaskEnvelope } from '@flex/contracts';
import type { Flex } from '@flex/client';
import { verify, type ToldEvent } from '@flex/orchestrator/verify';
import { chainOf } from './bench-stack.js';

export interface EndedRun {
  runId: string;
  /** Milliseconds since the epoch. */
  began: number;
  ms: number;
  /** Ids of the frames as the client saw them. */
  frames: string[];
  status: unknown;
}

const CHAIN = 5;
/** Between two runs of a client. */
const PAUSE_MS = 50;

/** Clients that submit one run after the other and read each to its end, through whatever happens to the gateway. */
export class Load {
  readonly runs: EndedRun[] = [];
  reconnects = 0;
  readonly #ended: Promise<void>;
  readonly #over = new AbortController();

  constructor(
    private readonly flex: Flex,
    clients: number,
    /** Marks the runs of this load. */
    private readonly label: string,
  ) {
    this.#ended = Promise.all(Array.from({ length: clients }, (_, n) => this.#client(n))).then(() => undefined);
    // Whoever started the load looks at it in `stop`.
    this.#ended.catch(() => this.#over.abort());
  }

  /** Resolves when every run that was begun has ended. */
  async stop(): Promise<void> {
    this.#over.abort();
    await this.#ended;
  }

  async #client(number: number): Promise<void> {
    for (let i = number; !this.#over.signal.aborted; i++) {
      const began = Date.now();
      const run: EndedRun = { runId: '', began, ms: 0, frames: [], status: undefined };
      const onReconnect = (): void => void this.reconnects++;
      for await (const frame of this.flex.runs.stream(this.#envelope(i), { onReconnect })) {
        run.runId = frame.runId;
        run.frames.push(frame.id);
        if (frame.type === 'complete') run.status = frame.payload.status;
      }
      run.ms = Date.now() - began;
      this.runs.push(run);
      await delay(PAUSE_MS);
    }
  }

  /** In turn: a plan of the client's own, and one that planner and policy have to say something about. */
  #envelope(i: number): TaskEnvelope {
    return {
      objective: 'Go on whatever is replaced',
      outputContract: { mode: 'facets', facets: ['benchTick'] },
      metadata: { labels: { load: this.label } },
      ...(i % 2 === 0
        ? { plan: chainOf(CHAIN) }
        : {
            policies: {
              // Whatever else gives a tick waits for something.
              planner: { selection: { forbid: ['bench.gate', 'bench.sleep', 'bench.limited'] } },
              runtime: [{ id: 'note', trigger: { kind: 'onNodeComplete' }, action: { type: 'emit', event: 'step' } }],
            },
          }),
    };
  }
}

/** What is not as promised: every run completed once, its history is whole, and its client saw exactly that. */
export async function violationsOf(flex: Flex, load: readonly EndedRun[], label: string): Promise<string[]> {
  const violations: string[] = [];
  for (const run of load) {
    if (run.status !== 'completed') violations.push(`${run.runId} ended as ${String(run.status)}`);
    try {
      violations.push(...(await againstHistory(flex, run)));
    } catch (error) {
      violations.push(`${run.runId}: ${(error as Error).message}`);
    }
  }
  let listed = 0;
  for await (const _ of flex.runs.all({ label: `load:${label}` })) listed++;
  if (listed !== load.length) violations.push(`${load.length} runs were submitted, ${listed} are listed`);
  return violations;
}

async function againstHistory(flex: Flex, { runId, frames }: EndedRun): Promise<string[]> {
  const violations: string[] = [];
  const history: string[] = [];
  for await (const frame of flex.runs.watch(runId)) history.push(frame.id);
  if (history.join() !== frames.join())
    violations.push(`${runId}: its client saw ${frames.length} frames, the history has ${history.length}`);
  const events: ToldEvent[] = [];
  for await (const event of flex.runs.events(runId)) events.push({ ...event, runId } as unknown as ToldEvent);
  const { verified, reason } = verify(events);
  return verified ? violations : [...violations, `${runId}: ${reason}`];
}
