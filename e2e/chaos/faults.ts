import { setTimeout as delay } from 'node:timers/promises';
import { definitionOf } from '@flex/contracts';
import { hasEnded, readState, signal, type ProcessRecord } from '@flex/embedded';
import type { TcpProxy, TestNats } from '@flex/embedded/testing';
import type { Random } from '@flex/orchestrator/random';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { headers } from '@nats-io/nats-core';
import { connect } from '@nats-io/transport-node';
import type { Workers } from './workers.js';

/** Longer than a partition's lease (three seconds here) and than a step may take: whoever stands still has lost both. */
const PAUSE_MS = 7_000;
const DELAY_MS = 400;

/** What can be harmed. */
export interface Site {
  home: string;
  nats: TestNats;
  /** Between nats-server and everybody else. */
  network: TcpProxy;
  workers: Workers;
}

const PROCESSES = ['gateway', 'planner', 'policy', 'registry', 'orchestrator', 'worker', 'nats', 'postgres'] as const;
type Target = (typeof PROCESSES)[number];

/** Everything that must do no harm. Each is dealt once before any comes again, in the seed's order. */
export const CARDS = [
  ...PROCESSES.map((target) => `kill ${target}` as const),
  ...PROCESSES.map((target) => `pause ${target}` as const),
  'delay the network',
  'cut the network',
  'hold half of the network',
  'repeat messages',
] as const;
type Card = (typeof CARDS)[number];

/** Does one thing after another that must do no harm, and says what. */
export class Faults {
  #deck: Card[] = [];
  readonly #under: Promise<void>[] = [];

  constructor(
    private readonly random: Random,
    private readonly site: Site,
  ) {}

  async next(): Promise<string> {
    if (this.#deck.length === 0) this.#deck = this.#shuffled();
    const card = this.#deck.pop()!;
    const [verb, target] = card.split(' ') as [string, Target];
    switch (verb) {
      case 'kill':
        return this.#kill(target);
      case 'pause':
        return this.#pause(target);
      case 'delay':
        return this.#delay();
      case 'cut':
        return `cut ${this.site.network.cut()} connections`;
      case 'hold':
        return this.#hold();
      default:
        return this.#repeat().catch(() => {
          // Its turn comes again when there is a log.
          this.#deck.unshift(card);
          return 'could not repeat anything just now: the log is away';
        });
    }
  }

  /** Resolves when nothing is paused, held or delayed any more. */
  async over(): Promise<void> {
    await Promise.all(this.#under);
  }

  #shuffled(): Card[] {
    const rest = [...CARDS];
    return Array.from({ length: rest.length }, () => rest.splice(this.random.below(rest.length), 1)[0]!);
  }

  #lasting(end: () => void | Promise<void>): void {
    this.#under.push(delay(PAUSE_MS).then(end));
  }

  async #kill(target: Target): Promise<string> {
    if (target === 'worker') this.site.workers.signal('SIGKILL');
    else if (target === 'nats') {
      await this.site.nats.kill();
      await this.site.nats.restart();
    } else {
      const record = this.#record(target);
      if (!record) return `no ${target} to kill just now`;
      signal(record, 'SIGKILL');
      await hasEnded(record, 5_000);
    }
    return `killed ${target}`;
  }

  #pause(target: Target): string {
    if (target === 'worker') {
      this.site.workers.signal('SIGSTOP');
      this.#lasting(() => this.site.workers.signal('SIGCONT'));
    } else if (target === 'nats') {
      this.site.nats.pause();
      this.#lasting(() => this.site.nats.resume());
    } else {
      const record = this.#record(target);
      if (!record) return `no ${target} to pause just now`;
      signal(record, 'SIGSTOP');
      this.#lasting(() => signal(record, 'SIGCONT'));
    }
    return `paused ${target} for ${PAUSE_MS / 1000} s`;
  }

  #delay(): string {
    const { network } = this.site;
    network.delayMs = () => this.random.below(DELAY_MS);
    this.#lasting(() => void (network.delayMs = () => 0));
    return `every message is up to ${DELAY_MS} ms under way, for ${PAUSE_MS / 1000} s`;
  }

  /** Their processes go on, and believe for a while that all is as it was. */
  #hold(): string {
    const parity = this.random.below(2);
    const release = this.site.network.hold((index) => index % 2 === parity);
    this.#lasting(() => void release());
    return `held half of ${this.site.network.connections} connections for ${PAUSE_MS / 1000} s`;
  }

  #record(target: Target): ProcessRecord | undefined {
    const candidates = (readState(this.site.home)?.processes ?? []).filter(
      (record) => !record.helper && (record.name === target || record.service === target),
    );
    return candidates.length > 0 ? this.random.pick(candidates) : undefined;
  }

  /** Appends what services said once more under new ids, as a network that repeats itself late would. */
  async #repeat(): Promise<string> {
    const nc = await connect({ servers: this.site.nats.url, timeout: 2_000 });
    try {
      const jsm = await jetstreamManager(nc);
      const { state } = await jsm.streams.info('FLEX');
      let copies = 0;
      for (let i = 0; i < 60; i++) {
        const seq = state.first_seq + this.random.below(state.last_seq - state.first_seq + 1);
        const message = await jsm.streams.getMessage('FLEX', { seq }).catch(() => null);
        const by = definitionOf(message?.subject.split('.').slice(0, 2).join('.') ?? '')?.by;
        // The orchestrator's own are fenced: nobody can say them twice.
        if (!message || !by || by === 'orchestrator' || by === 'server') continue;
        const copy = headers();
        for (const key of message.header.keys()) copy.set(key, message.header.get(key));
        copy.set('Nats-Msg-Id', `${message.header.get('Nats-Msg-Id')}.again.${seq}.${copies}`);
        // The log refuses what must be the first of its subject.
        const taken = await jetstream(nc)
          .publish(message.subject, message.data, { headers: copy })
          .catch((error: Error) => (error.message.includes('wrong last sequence') ? undefined : Promise.reject(error)));
        if (taken) copies++;
      }
      return `repeated ${copies} messages`;
    } finally {
      await nc.close();
    }
  }
}
