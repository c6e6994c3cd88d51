import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { eventDigest } from '@flex/events';
import { historyOf, told, type ToldEvent, WrongUsage } from './history.js';

export type { ToldEvent };

export interface Verdict {
  verified: boolean;
  events: number;
  /** Head of the chain as recomputed from what is stored now. */
  head: string;
  reason?: string;
}

interface Chain {
  head: string;
  count: number;
  seq: number;
  own?: string;
}

/** `flex verify`: recomputes a run's hash chain and holds it against the head that its terminal event carries. */
export const main = (argv: string[], env: NodeJS.ProcessEnv): Promise<number> =>
  told(async () => {
    const runId = argv.find((word) => !word.startsWith('-'));
    if (!runId) throw new WrongUsage('usage: flex verify <runId> [--json]');
    const verdict = verify(await historyOf(runId, env));
    if (argv.includes('--json')) process.stdout.write(`${JSON.stringify({ runId, ...verdict })}\n`);
    else
      process.stdout.write(
        verdict.verified
          ? `run ${runId}: the history is unaltered and complete (${verdict.events} events, head ${verdict.head.slice(0, 16)}…)\n`
          : `run ${runId}: NOT verified: ${verdict.reason}\n`,
      );
    return verdict.verified ? 0 : 1;
  });

/** Pure: every digest is made again from the data, the chain from the digests, and compared with what was recorded. */
export function verify(events: readonly ToldEvent[]): Verdict {
  let head = '';
  let count = 0;
  for (const event of events) {
    const { chain, ...rest } = event.data as { chain?: Chain };
    if (chain) {
      if (chain.own !== undefined && chain.own !== digestOf(event, JSON.stringify(rest)))
        return { verified: false, events: count, head, reason: altered(event) };
      // The terminal event covers what its writer had folded; later words of others come after it in the log.
      const covered = headAt(events, chain.seq);
      const verified = covered.head === chain.head && covered.count === chain.count;
      return {
        verified,
        events: covered.count,
        head: covered.head,
        ...(verified
          ? {}
          : {
              reason: `the recorded chain has ${chain.count} events and head ${chain.head.slice(0, 16)}…, what is stored has ${covered.count} and ${covered.head.slice(0, 16)}…`,
            }),
      };
    }
    const made = digestOf(event);
    if (made !== event.digest || !showsItsText(event))
      return { verified: false, events: count, head, reason: altered(event) };
    head = link(head, made);
    count++;
  }
  return { verified: false, events: count, head, reason: 'the run has not ended: its chain has no recorded head yet' };
}

function headAt(events: readonly ToldEvent[], seq: number): { head: string; count: number } {
  let head = '';
  let count = 0;
  for (const event of events) {
    if (event.seq > seq) break;
    head = link(head, digestOf(event));
    count++;
  }
  return { head, count };
}

const altered = ({ seq, type }: ToldEvent): string => `event ${seq} (${type}) does not match its digest`;

/** Where the text is told beside the data, both must say the same. */
const showsItsText = ({ text, data }: ToldEvent): boolean =>
  text === undefined || isDeepStrictEqual(JSON.parse(text), data);

const digestOf = (event: ToldEvent, text = event.text ?? JSON.stringify(event.data)): string =>
  eventDigest({
    type: event.type,
    version: event.version,
    runId: event.runId,
    id: event.id,
    bytes: Buffer.from(text),
  });

const link = (head: string, digest: string): string =>
  createHash('sha256')
    .update(head + digest)
    .digest('hex');
