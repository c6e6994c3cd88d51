import type { RunEventType, StoredEvent } from '@flex/contracts';

/** A stored event as the gateway tells it, with the digest that the hash chain is made of, and the text if need be. */
export type ToldEvent = StoredEvent & { digest: string; text?: string };

/** Something that a person can mend: said in one line. */
export class OperatorFault extends Error {}

/** A command line that cannot be meant: exit code 2, as everywhere in the CLI. */
export class WrongUsage extends OperatorFault {}

/** The whole history of a run, from the log or the archive, whichever has it. */
export async function historyOf(runId: string, env: NodeJS.ProcessEnv): Promise<ToldEvent[]> {
  const base = (env['FLEX_URL'] ?? 'http://127.0.0.1:7700').replace(/\/$/, '');
  const headers: Record<string, string> = env['FLEX_API_KEY'] ? { 'x-api-key': env['FLEX_API_KEY'] } : {};
  const events: ToldEvent[] = [];
  for (let cursor: string | undefined; ;) {
    const query = new URLSearchParams({ limit: '500', ...(cursor === undefined ? {} : { cursor }) });
    const response = await fetch(`${base}/api/v1/flex/runs/${encodeURIComponent(runId)}/events?${query}`, {
      headers,
    }).catch(() => {
      throw new OperatorFault(`no gateway answers at ${base}; ./flex up starts one, FLEX_URL names another`);
    });
    const body = (await response.json()) as {
      items?: (Omit<ToldEvent, 'time'> & { time: string })[];
      next?: string;
      detail?: string;
      title?: string;
    };
    if (!response.ok || !body.items)
      throw new OperatorFault(body.detail ?? body.title ?? `the gateway answered ${response.status}`);
    for (const item of body.items)
      events.push({ ...item, type: item.type as RunEventType, runId, time: Date.parse(item.time) } as ToldEvent);
    if (body.next === undefined) return events;
    cursor = body.next;
  }
}

/** Runs a command; a fault that a person can mend is one line, and exit code 1 (2 for the command line itself). */
export async function told(run: () => Promise<number>): Promise<number> {
  try {
    return await run();
  } catch (error) {
    process.stderr.write(`flex: ${error instanceof Error ? error.message : String(error)}\n`);
    if (error instanceof WrongUsage) return 2;
    return error instanceof OperatorFault ? 1 : 3;
  }
}
