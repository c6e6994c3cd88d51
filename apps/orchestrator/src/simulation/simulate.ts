import { isDeepStrictEqual } from 'node:util';
import type { NewEvent } from '@flex/contracts';
import { nextDue } from '../core/due.js';
import { NEVER, type RunState } from '../core/state.js';
import { answers } from './actors.js';
import { Invariants } from './invariants.js';
import { Random } from './random.js';
import { SimulatedLog } from './simulated-log.js';
import { SimulatedOwner } from './simulated-owner.js';
import { randomEnvelope, registry } from './world.js';

export interface SimulationResult {
  seed: number;
  violation?: string;
  events: number;
  runs: number;
  crashes: number;
}

/** Chaos for this many steps, then quiet until nothing moves any more. */
const CHAOTIC_STEPS = 160;
const LIMIT = 20_000;

/**
 * One seeded schedule: a few mixed runs, two replicas that may both believe they own the partition, services that
 * answer late, twice, or in another order, and crashes between any two appends. Deterministic: a seed is a reproduction.
 */
export function simulate(seed: number): SimulationResult {
  const random = new Random(seed);
  const log = new SimulatedLog();
  const invariants = new Invariants();
  const inFlight: NewEvent[] = [];
  let heard = 0;
  let checked = 0;
  let crashes = 0;
  let names = 0;
  let violation: string | undefined;
  let snapshot: ReturnType<SimulatedOwner['snapshot']> | undefined;
  const start = () => new SimulatedOwner(log, `o${names++}`, registry, snapshot);
  let owners = [start()];
  const runs = 1 + random.below(2);
  for (let i = 0; i < runs; i++)
    log.append(
      {
        type: 'run.submitted',
        runId: `r${i}`,
        id: `r${i}`,
        data: { envelope: randomEnvelope(random), tenant: 'default', correlationId: `c${i}` },
      },
      'gateway',
    );

  const decideAll = (owner: SimulatedOwner) => {
    for (const runId of owner.runs.keys()) owner.decide(runId);
  };
  /** The partition's clock: strikes when the earliest due time has come. */
  const tick = (owner: SimulatedOwner): boolean => {
    let due = NEVER;
    for (const state of owner.runs.values()) if (!state.ended) due = Math.min(due, nextDue(state, log.time));
    if (due === NEVER) return false;
    log.time = due;
    for (const state of owner.runs.values()) state.due = Math.min(state.due, due);
    decideAll(owner);
    return true;
  };
  const hear = () => {
    for (; heard < log.events.length; heard++) {
      const event = log.events[heard]!;
      inFlight.push(...answers(event, random));
    }
  };
  const deliver = (i: number) => {
    const [event] = inFlight.splice(i, 1);
    log.append(event!, 'worker');
  };

  const steps: ((owner: SimulatedOwner) => void)[] = [
    (owner) => owner.fold(1 + random.below(5)),
    (owner) => owner.fold(1),
    (owner) => decideAll(owner),
    (owner) => owner.send(),
    (owner) => owner.send(),
    () => hear(),
    () => inFlight.length > 0 && deliver(random.below(inFlight.length)),
    () => inFlight.length > 0 && deliver(0),
    // A delivery that is repeated: the services are asked once more about something old.
    () => log.events.length > 0 && inFlight.push(...answers(random.pick(log.events), random)),
    (owner) => random.chance(0.05) && tick(owner),
    (owner) =>
      random.chance(0.1) &&
      (snapshot = owner.outbox.length === 0 && owner.awaiting.size === 0 ? owner.snapshot() : snapshot),
    (owner) => {
      if (!random.chance(0.03)) return;
      crashes++;
      owners = [...owners.filter((one) => one !== owner), start()];
    },
    // A second replica believes that the partition is its own.
    () => random.chance(0.02) && owners.length < 3 && owners.push(start()),
    () =>
      random.chance(0.01) &&
      inFlight.push({ type: 'run.pause_requested', runId: 'r0', id: `pause-${log.events.length}`, data: {} }),
    () =>
      random.chance(0.05) &&
      inFlight.push({ type: 'run.resume_requested', runId: 'r0', id: `resume-${log.events.length}`, data: {} }),
    () =>
      random.chance(0.003) &&
      inFlight.push({ type: 'run.cancel_requested', runId: 'r0', id: `cancel-${log.events.length}`, data: {} }),
  ];
  const check = () => {
    for (; checked < log.events.length && !violation; checked++) violation = invariants.check(log.events[checked]!);
  };

  for (let i = 0; i < CHAOTIC_STEPS && !violation; i++) {
    random.pick(steps)(random.pick(owners));
    check();
  }
  // Quiet: one owner, everything is delivered, the clock runs on; every run has to end or wait for somebody.
  const last = start();
  for (let i = 0, still = 0; i < LIMIT && !violation && still < 3; i++) {
    const before = log.events.length;
    last.fold(1000);
    decideAll(last);
    while (last.outbox.length > 0) last.send();
    hear();
    while (inFlight.length > 0) deliver(0);
    check();
    for (const runId of invariants.open)
      if (last.runs.get(runId)?.paused)
        log.append(
          { type: 'run.resume_requested', runId, id: `end-${runId}-${log.events.length}`, data: {} },
          'gateway',
        );
    if (log.events.length > before || last.behind) still = 0;
    else if (!tick(last) || last.outbox.length === 0) still++;
  }
  check();
  last.fold(100_000);
  violation ??= unfinished(last) ?? refolded(log, last);
  return { seed, violation, events: log.events.length, runs, crashes };
}

function unfinished(owner: SimulatedOwner): string | undefined {
  for (const state of owner.runs.values())
    if (!state.ended) return `run ${state.runId} stands still without an end (${describe(state)})`;
  return undefined;
}

const describe = (state: RunState): string =>
  `plan ${state.plan?.version ?? 'none'}, planning ${state.planning?.requestId ?? 'no'}, tasks ${state.tasks.size}, verdicts ${[...state.verdicts.keys()].join(' ')}, ` +
  `ready ${[...state.ready].join(' ')}, active ${[...state.active].join(' ')}, fallen ${[...state.fallen].join(' ')}, triggered ${state.triggered.length}, unfinished ${state.unfinished}`;

/** State from a snapshot and the tail is the state from the whole log. */
function refolded(log: SimulatedLog, owner: SimulatedOwner): string | undefined {
  const fresh = new SimulatedOwner(log, 'fresh', registry);
  fresh.fold(100_000);
  owner.fold(100_000);
  for (const [runId, state] of fresh.runs) {
    const other = owner.runs.get(runId)!;
    const differing = differences(state, other);
    if (differing !== '') return `run ${runId}: snapshot and tail differ from the whole log in ${differing}`;
  }
  return undefined;
}

/** `due` is a cache that looking raises; all else has to be the same. */
const differences = (a: RunState, b: RunState): string =>
  (Object.keys({ ...a, ...b }) as (keyof RunState)[])
    .filter((key) => key !== 'due' && !isDeepStrictEqual(plain(a[key]), plain(b[key])))
    .join(', ');

/** A value without what is undefined, maps and sets as lists with their order: states of different origin can be compared. */
const plain = (value: unknown): unknown =>
  value !== undefined &&
  JSON.parse(
    JSON.stringify(value, (_key, inner: unknown) =>
      Object.prototype.toString.call(inner) === '[object Map]' ||
      Object.prototype.toString.call(inner) === '[object Set]'
        ? [...(inner as Iterable<unknown>)]
        : inner,
    ),
  );
