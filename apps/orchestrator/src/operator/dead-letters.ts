import { connectNats, DeadLetters } from '@flex/events';
import { OperatorFault, told, WrongUsage } from './history.js';

const USAGE = 'usage: flex dead-letters [list] | show <n> | replay <n>   [--json]';

/** `flex dead-letters`: messages that broke their contract or failed too often, with the reason; replay sends one again. */
export const main = (argv: string[], env: NodeJS.ProcessEnv): Promise<number> =>
  told(async () => {
    const [verb = 'list', number] = argv.filter((word) => !word.startsWith('-'));
    const json = argv.includes('--json');
    if (!env['NATS_URL']) throw new OperatorFault('NATS_URL is needed, or a running embedded stack');
    const nc = await connectNats({
      url: env['NATS_URL'],
      name: 'flex-dead-letters',
      user: env['NATS_USER'],
      pass: env['NATS_PASSWORD'],
    });
    try {
      const letters = new DeadLetters(nc);
      if (verb === 'list') {
        const all = [];
        for (
          let page = await letters.list();
          page.length > 0;
          page = await letters.list({ fromSeq: page.at(-1)!.seq + 1 })
        )
          all.push(...page);
        if (json) process.stdout.write(all.map((letter) => `${JSON.stringify(letter)}\n`).join(''));
        else if (all.length === 0) process.stdout.write('no dead letters\n');
        else
          for (const letter of all)
            process.stdout.write(
              `${String(letter.seq).padStart(5)}  ${new Date(letter.time).toISOString()}  ${letter.consumer}  ${letter.subject}  ${letter.reason}\n`,
            );
        return 0;
      }
      const seq = Number(number);
      if (!Number.isInteger(seq) || seq < 1 || (verb !== 'show' && verb !== 'replay')) throw new WrongUsage(USAGE);
      const letter = await letters.show(seq);
      if (!letter) throw new OperatorFault(`there is no dead letter ${seq}`);
      if (verb === 'show') {
        process.stdout.write(json ? `${JSON.stringify(letter)}\n` : `${JSON.stringify(letter, null, 2)}\n`);
        return 0;
      }
      const ack = await letters.replay(seq);
      process.stdout.write(
        json ? `${JSON.stringify({ replayed: seq, seq: ack.seq })}\n` : `replayed as ${ack.seq} of the log\n`,
      );
      return 0;
    } finally {
      await nc.close();
    }
  });
