import { ServedTogether } from '../served-together.js';
import { setTimeout as delay } from 'node:timers/promises';
import type { Kysely } from 'kysely';
import type { NewEvent, StoredEvent } from '@flex/contracts';
import { connectNats, EventLog, readLogShape, type LogEvent } from '@flex/events';
import { createLogger } from '@flex/events/service';
import { defaultSettings } from '../core/step.js';
import { OutcomeReports } from '../outcome-reports.js';
import { PartitionOwner } from '../partition-owner.js';
import { PostgresSnapshots, type SnapshotTables } from '../postgres-snapshots.js';
import { RunMemory } from '../resident-runs.js';
import { answers } from '../simulation/actors.js';
import { Invariants } from '../simulation/invariants.js';
import type { Random } from '../simulation/random.js';
import { randomEnvelope, registry } from '../simulation/world.js';

export const PARTITION = 0;
const PATIENCE_MS = 60_000;
const ENDS: ReadonlySet<string> = new Set(['run.completed', 'run.failed', 'run.cancelled']);

/** A partition of a real log with everybody but the orchestrator played by the simulation's actors. */
export class PlayedPartition {
  /** Everything that the partition holds, in order. */
  readonly events: LogEvent[] = [];
  readonly #runs = new Set<string>();
  readonly #ended = new Set<string>();
  #moved: () => void = () => undefined;
  readonly #playing: Promise<void>;
  readonly #tail;

  private constructor(
    readonly log: EventLog,
    private readonly random: Random,
  ) {
    this.#tail = log.tail({ partitions: [PARTITION] });
    this.#playing = this.#play();
  }

  static async start(url: string, random: Random): Promise<PlayedPartition> {
    const nc = await connectNats({ url, name: 'played' });
    return new PlayedPartition(new EventLog(nc, 'worker', await readLogShape(nc)), random);
  }

  async submit(count: number): Promise<void> {
    for (let i = 0; this.#runs.size < count; i++) {
      const runId = `run-${i}`;
      if (this.log.partitionOf(runId) !== PARTITION || this.#runs.has(runId)) continue;
      this.#runs.add(runId);
      const data = { envelope: randomEnvelope(this.random), tenant: 'default', correlationId: runId };
      await this.log.append({ type: 'run.submitted', runId, id: runId, data });
    }
  }

  /** Resolves when something is true of what the partition holds. */
  async until(what: string, is: () => boolean): Promise<void> {
    const deadline = performance.now() + PATIENCE_MS;
    while (!is()) {
      if (performance.now() > deadline)
        throw new Error(`${what}: not within ${PATIENCE_MS / 1000} s; open: ${this.open.join(' ')}`);
      await Promise.race([new Promise<void>((resolve) => (this.#moved = resolve)), delay(1_000)]);
    }
  }

  get open(): string[] {
    return [...this.#runs].filter((runId) => !this.#ended.has(runId));
  }

  get decisions(): number {
    return this.events.filter((event) => event.source === 'orchestrator' && event.runId !== '').length;
  }

  /** What is in the log and must never be. */
  violations(): string[] {
    const invariants = new Invariants();
    const told = new Set<string>();
    const found: string[] = [];
    for (const event of this.events as unknown as StoredEvent[]) {
      const id = event.id.replace(/:again$/, '');
      if (told.has(id)) continue;
      told.add(id);
      const violation = invariants.check(event);
      if (violation) found.push(`${event.runId}: ${violation}`);
    }
    return found;
  }

  async stop(): Promise<void> {
    this.#tail.close();
    await this.#playing;
    await this.log.nc.close();
  }

  async #play(): Promise<void> {
    for await (const batch of this.#tail)
      for (const event of batch) {
        this.events.push(event as LogEvent);
        if (ENDS.has(event.type)) this.#ended.add(event.runId);
        for (const answer of this.#answers(event as unknown as StoredEvent)) {
          await this.log.append(answer);
          // Said again, later, as another message.
          if (this.random.chance(0.1)) await this.log.append({ ...answer, id: `${answer.id}:again` });
        }
        this.#moved();
      }
  }

  #answers(event: StoredEvent): NewEvent[] {
    if (event.type === 'run.paused')
      return [{ type: 'run.resume_requested', runId: event.runId, id: `resume-${event.seq}`, data: {} }];
    return answers(event, this.random);
  }
}

/** An owner of the partition with a connection of its own. */
export async function startOwner(
  url: string,
  name: string,
  db: Kysely<SnapshotTables>,
  snapshots = new PostgresSnapshots(db),
) {
  const nc = await connectNats({ url, name });
  const log = new EventLog(nc, 'orchestrator', await readLogShape(nc));
  const outcomes = new OutcomeReports(nc);
  const own = (): PartitionOwner =>
    new PartitionOwner({
      log,
      logger: createLogger('orchestrator', name, process.env['FLEX_TEST_LOG'] ?? 'silent'),
      snapshots,
      partition: PARTITION,
      owner: name,
      settings: defaultSettings,
      together: new ServedTogether(),
      registry: () => registry,
      abreast: () => undefined,
      outcomes,
      memory: new RunMemory(0),
      snapshotEveryMs: 100,
    });
  const close = async (): Promise<void> => {
    outcomes.close();
    await nc.close();
  };
  return { log, own, close };
}
