import { Agent, request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { benchStack, chainOf, envelopeOf, memoryOf, type BenchStack } from './bench-stack.js';
import { Backlog } from './backlog.js';
import { inParallel, percentile, round, table } from './statistics.js';

const USAGE = `usage: flex bench overload [--seconds n] [--json]

What the gateway takes from clients that wait for each answer is its capacity; then twice as much comes (more, should it
take that easily), whether it answers or not, for so many seconds (30). It must refuse what it cannot take, with a time to
come back, and keep whatever it has accepted.
`;

const CLIENTS = 64;
/** Submissions that a gateway lets wait for the log; what comes beyond is told to come back. */
const PENDING = 32;
const TICK_MS = 5;
/** Share of refusals below which a storm was none. */
const FEW_REFUSED = 0.1;

interface Answer {
  status: number;
  retryAfter: boolean;
  runId?: string;
  ms: number;
}

/** `flex bench overload`: 0 when nothing accepted was lost and every refusal said when to come back. */
export async function main(argv: string[], env: NodeJS.ProcessEnv): Promise<number> {
  let values;
  try {
    values = parseArgs({
      args: argv,
      options: {
        seconds: { type: 'string', default: '30' },
        json: { type: 'boolean' },
        help: { type: 'boolean' },
      },
    }).values;
  } catch (error) {
    process.stderr.write(`flex bench overload: ${(error as Error).message}\n${USAGE}`);
    return 2;
  }
  const seconds = Number(values.seconds);
  if (values.help || !(seconds > 0)) {
    (values.help ? process.stdout : process.stderr).write(USAGE);
    return values.help ? 0 : 2;
  }
  const row = await benchOverload(env, seconds);
  process.stdout.write(values.json ? `${JSON.stringify(row)}\n` : `${table([row])}\n`);
  return row.acceptedThatDidNotComplete + row.refusedWithoutRetryAfter + row.otherAnswers === 0 ? 0 : 1;
}

export async function benchOverload(env: NodeJS.ProcessEnv, seconds: number) {
  const stack = await benchStack({ sync: 'default', settings: { FLEX_MAX_PENDING_SUBMISSIONS: String(PENDING) } }, env);
  const backlog = await Backlog.of(stack.natsUrl);
  try {
    return await overload(stack, backlog, seconds);
  } finally {
    await backlog.close();
    await stack.stop();
  }
}

async function overload(stack: BenchStack, backlog: Backlog, seconds: number) {
  const body = envelopeOf(chainOf(1));
  const memory = () => ['gateway', 'orchestrator'].map((service) => memoryOf(stack.home, service));
  await closedLoop(stack.url, body, 8, 2);
  const calm = await closedLoop(stack.url, body, PENDING, Math.min(seconds, 6));
  const capacity = calm.length / Math.min(seconds, 6);
  await backlog.gone();
  const before = memory();
  const earlier: Answer[] = [];
  let storm = await openLoop(stack.url, body, 2 * capacity, seconds);
  // Beside something else that has ended by now, waiting clients got less than there is: then twice that is no storm.
  for (let rate = 4; rate <= 16 && storm.filter(isRefused).length < storm.length * FEW_REFUSED; rate *= 2) {
    earlier.push(...storm);
    storm = await openLoop(stack.url, body, rate * capacity, seconds);
  }
  const left = backlog.open;
  const drained = performance.now();
  await backlog.gone();
  const drainedMs = performance.now() - drained;
  const after = memory();
  const accepted = [...calm, ...earlier, ...storm].flatMap(({ runId }) => (runId === undefined ? [] : [runId]));
  const lost = await notCompleted(stack.url, accepted);
  const times = storm.map(({ ms }) => ms);
  const refused = storm.filter(isRefused);
  return {
    bench: 'overload',
    seconds,
    capacityPerSecond: round(capacity, 0),
    offeredPerSecond: round(storm.length / seconds, 0),
    accepted: storm.filter(({ status }) => status === 202).length,
    refused: refused.length,
    refusedWithoutRetryAfter: refused.filter(({ retryAfter }) => !retryAfter).length,
    otherAnswers: storm.filter(({ status }) => ![202, 429, 503].includes(status)).length,
    acceptedThatDidNotComplete: lost,
    p50Ms: round(percentile(times, 0.5)),
    p99Ms: round(percentile(times, 0.99)),
    mostOpenRuns: backlog.most,
    openAtTheEnd: left,
    drainedMs: round(drainedMs, 0),
    longestRunMs: round(backlog.longestMs, 0),
    gatewayMiB: `${round(before[0]!, 0)}-${round(after[0]!, 0)}`,
    orchestratorMiB: `${round(before[1]!, 0)}-${round(after[1]!, 0)}`,
  };
}

const isRefused = ({ status }: Answer): boolean => status === 429 || status === 503;

async function closedLoop(url: string, body: string, clients: number, seconds: number): Promise<Answer[]> {
  const answers: Answer[] = [];
  const end = performance.now() + seconds * 1000;
  await Promise.all(
    Array.from({ length: clients }, async () => {
      while (performance.now() < end) answers.push(await submit(url, body));
    }),
  );
  return answers;
}

/** So many requests a second, whatever becomes of those before. */
async function openLoop(url: string, body: string, rate: number, seconds: number): Promise<Answer[]> {
  const answers: Promise<Answer>[] = [];
  const begun = performance.now();
  for (let passed = 0; passed < seconds; passed = (performance.now() - begun) / 1000) {
    while (answers.length < passed * rate) answers.push(submit(url, body));
    await delay(TICK_MS);
  }
  return Promise.all(answers);
}

const agent = new Agent({ keepAlive: true, maxSockets: 4 * CLIENTS });

function submit(url: string, body: string): Promise<Answer> {
  const begun = performance.now();
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    const call = request(`${url}/api/v1/flex/runs`, { method: 'POST', agent, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const status = response.statusCode ?? 0;
        const { runId } = JSON.parse(Buffer.concat(chunks).toString()) as { runId?: string };
        const retryAfter = response.headers['retry-after'] !== undefined;
        resolve({ status, retryAfter, runId: status === 202 ? runId : undefined, ms: performance.now() - begun });
      });
      response.on('error', reject);
    });
    call.on('error', reject);
    call.end(body);
  });
}

async function notCompleted(url: string, runIds: string[]): Promise<number> {
  let lost = 0;
  await inParallel(runIds.length, CLIENTS, async (index) => {
    const response = await fetch(`${url}/api/v1/flex/runs/${runIds[index]}`);
    const { status } = (await response.json()) as { status?: string };
    if (status !== 'completed') lost++;
  });
  return lost;
}
