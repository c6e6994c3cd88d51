// Rates of the log's operations on this machine, one server and one process sharing its cores.
// Usage: ./flex exec node libs/events/bench/rates.mjs [--sync always] [--count 20000]
import { parseArgs } from 'node:util';
import { openTestLog, pauseRequested, startNatsServer } from '@flex/events/testing';
import { jetstream } from '@nats-io/jetstream';
import { headers } from '@nats-io/nats-core';

const { values } = parseArgs({ options: { sync: { type: 'string' }, count: { type: 'string', default: '20000' } } });
const count = Number(values.count);
const server = await startNatsServer({ syncInterval: values.sync });
const { nc, log } = await openTestLog(server);

/** Runs `task` for 0…n-1 with at most `window` under way. */
async function windowed(n, window, task) {
  let next = 0;
  const lane = async () => {
    while (next < n) await task(next++);
  };
  await Promise.all(Array.from({ length: window }, lane));
}

async function measure(name, n, work) {
  const cpu = process.cpuUsage();
  const start = performance.now();
  await work(n);
  const seconds = (performance.now() - start) / 1000;
  const used = process.cpuUsage(cpu);
  const perMessage = (used.user + used.system) / n;
  const rate = Math.round(n / seconds);
  console.log(
    `${name.padEnd(52)} ${String(rate).padStart(8)}/s  client ${perMessage.toFixed(1).padStart(6)} µs cpu each`,
  );
}

const reason = 'x'.repeat(300);
const event = (run, id) => pauseRequested(run, id, reason);

await measure('encode only', count * 5, async (n) => {
  for (let i = 0; i < n; i++) log.encoder.encode(event('enc', `enc.${i}`));
});
await measure('raw: client publish, window 256', count, async (n) => {
  const js = jetstream(nc);
  await windowed(n, 256, async (i) => {
    const h = headers();
    h.set('Nats-Msg-Id', `raw.${i}`);
    h.set('ce-type', 'run.pause_requested');
    await js.publish(`run.raw.00.r${i % 100}`, JSON.stringify({ reason, by: 'tester' }), { headers: h });
  });
});
await measure('append, one at a time', Math.min(count, 3000), (n) =>
  windowed(n, 1, (i) => log.append(event('one', `one.${i}`))),
);
await measure('append, window 256', count, (n) => windowed(n, 256, (i) => log.append(event(`w${i % 100}`, `w.${i}`))));

for (const window of [1, 16]) {
  const claims = await Promise.all(Array.from({ length: 16 }, (_, p) => log.claimPartition(p, `bench-${window}`)));
  const writers = claims.map((claim) => log.fencedWriter(claim, { window }));
  const runs = Array.from({ length: 2000 }, (_, i) => `f${window}-${i}`);
  await measure(`fenced append, 16 partitions, ${window} in flight each`, count, (n) =>
    windowed(n, 16 * window * 2, (i) => {
      const run = runs[i % runs.length];
      return writers[log.partitionOf(run)].append(event(run, `${run}.${i}`));
    }),
  );
}

async function readAll(options, n) {
  const tail = log.tail(options);
  let seen = 0;
  let batches = 0;
  let bytes = 0;
  while (seen < n) {
    const batch = await tail.next();
    batches += 1;
    for (const e of batch) bytes += e.data.reason?.length ?? 0;
    seen += batch.length;
  }
  tail.close();
  return { batches, bytes };
}
await measure('tail of everything that lies there', count, (n) => readAll({ filters: ['run.pause_requested.>'] }, n));

await measure('append -> tail round trip, one at a time', 2000, async (n) => {
  const tail = log.tail({ filters: ['*.*.*.rt'] });
  await tail.caughtUp;
  for (let i = 0; i < n; i++) {
    const got = tail.next();
    await log.append(event('rt', `rt.${i}`));
    await got;
  }
  tail.close();
});

for (const concurrency of [16, 256]) {
  await measure(`work consumer, ${concurrency} at once`, count, (n) => {
    let done = 0;
    return new Promise((resolve) => {
      const worker = log.work({
        durable: `bench-${concurrency}`,
        filters: ['run.pause_requested.>'],
        concurrency,
        prefetch: concurrency,
        handler: () => {
          done += 1;
          if (done === n) resolve(worker);
        },
      });
    }).then((worker) => worker.stop());
  });
}

{
  const text = 'x'.repeat(20 * 1024 * 1024);
  const data = { nodeId: 'n', attempt: 1, text };
  await measure('append 20 MB (claim check)', 3, (n) =>
    windowed(n, 1, (i) => log.append({ type: 'node.progressed', runId: `big${i}`, key: 'c', id: `big.${i}`, data })),
  );
  const { openEventLog } = await import('@flex/events');
  const reader = await openEventLog({ nc, source: 'gateway' });
  await measure('read 20 MB (claim check)', 3, (n) =>
    windowed(n, 1, async (i) => {
      for await (const e of reader.readRun(`big${i}`)) void e;
    }),
  );
}
const sample = [];
for await (const e of log.readRun('w1')) sample.push(e);
await measure('digest', count, async (n) => {
  for (let i = 0; i < n; i++) sample[i % sample.length].digest();
});
await measure('read one run', 200, (n) =>
  windowed(n, 1, async (i) => {
    for await (const e of log.readRun(`f16-${i}`)) void e;
  }),
);
await measure('purge one run', 100, (n) => windowed(n, 1, (i) => log.purgeRun(`f16-${i}`)));
await measure('set a timer, window 256', 5000, (n) =>
  windowed(n, 256, (i) =>
    log.append({ type: 'timer.set', runId: `t${i}`, id: `t${i}`, data: { at: Date.now() + 3_600_000 } }),
  ),
);
await nc.close();
await server.stop();
