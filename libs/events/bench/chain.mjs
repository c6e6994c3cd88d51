// The bare protocol through this library: fenced node.dispatched, a worker process that answers node.reported, an
// ordered reader that dispatches the next step. What the whole product is measured against.
// Usage: ./flex exec node libs/events/bench/chain.mjs [--sync always] [--chains 2000]
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { connectNats, ensureStreams, openEventLog } from '@flex/events';
import { startNatsServer } from '@flex/events/testing';

if (process.argv[2] === 'worker') await worker(process.argv[3]);
else await main();

async function worker(url) {
  const nc = await connectNats({ url, name: 'worker' });
  const log = await openEventLog({ nc, source: 'worker' });
  const work = log.work({
    durable: 'noop',
    filters: ['node.dispatched.*.*.noop'],
    concurrency: 128,
    prefetch: 128,
    handler: async (event) => {
      const { nodeId, attempt } = event.data;
      await log.append({
        type: 'node.reported',
        runId: event.runId,
        key: 'noop',
        id: `${event.runId}.${nodeId}.${attempt}.reported`,
        data: { nodeId, attempt, outputs: { text: 'done' } },
      });
    },
  });
  await work.ready;
  process.send('ready');
  process.once('disconnect', () => process.exit());
}

/** Milliseconds of CPU that a process has used (Linux counts them in hundredths of a second). */
function cpuOf(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

async function main() {
  const { values } = parseArgs({ options: { sync: { type: 'string' }, chains: { type: 'string', default: '1000' } } });
  const server = await startNatsServer({ syncInterval: values.sync });
  const nc = await connectNats({ url: server.url, name: 'orchestrator' });
  const log = await openEventLog({ nc, source: 'orchestrator', shape: await ensureStreams(nc) });
  const child = fork(process.argv[1], ['worker', server.url]);
  await once(child, 'message');
  const claims = await Promise.all(Array.from({ length: log.partitions }, (_, p) => log.claimPartition(p, 'bench')));
  const writers = claims.map((claim) => log.fencedWriter(claim));
  const runs = new Map();

  const dispatch = (run) => {
    const step = run.step;
    void writers[log.partitionOf(run.id)].append({
      type: 'node.dispatched',
      runId: run.id,
      key: 'noop',
      id: `${run.id}.${step}.1.dispatched`,
      data: {
        nodeId: `n${step}`,
        attempt: 1,
        planVersion: 1,
        capabilityId: 'noop',
        tenant: 'default',
        idempotencyKey: `${run.id}/${step}`,
        kind: 'execution',
        outputFacets: ['text'],
        timeoutMs: 30_000,
        inputs: { text: 'x'.repeat(100) },
      },
    });
  };
  const tail = log.tail({ partitions: claims.map((_, p) => p) });
  void (async () => {
    for await (const batch of tail) {
      for (const event of batch) {
        if (event.type !== 'node.reported') continue;
        const run = runs.get(event.runId);
        if (!run) continue;
        run.step += 1;
        if (run.step === 10) {
          runs.delete(run.id);
          run.done();
        } else dispatch(run);
      }
    }
  })();

  for (const concurrency of [1, 16, 64, 64]) {
    const chains = concurrency === 1 ? 200 : Number(values.chains);
    const times = [];
    let next = 0;
    const start = performance.now();
    const pids = { orchestrator: process.pid, worker: child.pid, server: server.pid };
    const cpu = Object.fromEntries(Object.entries(pids).map(([name, pid]) => [name, cpuOf(pid)]));
    await Promise.all(
      Array.from({ length: concurrency }, async () => {
        while (next < chains) {
          const id = `c${concurrency}-${start | 0}-${next++}`;
          const begun = performance.now();
          await new Promise((done) => {
            const run = { id, step: 0, done };
            runs.set(id, run);
            dispatch(run);
          });
          times.push(performance.now() - begun);
        }
      }),
    );
    const seconds = (performance.now() - start) / 1000;
    const used = Object.entries(pids).map(
      ([name, pid]) => `${name} ${Math.round(((cpuOf(pid) - cpu[name]) * 100) / chains)}`,
    );
    times.sort((a, b) => a - b);
    const at = (q) => times[Math.floor(times.length * q)].toFixed(1);
    console.log(
      `concurrency ${String(concurrency).padStart(3)}: p50 ${at(0.5)} ms  p99 ${at(0.99)} ms  ${Math.round((chains * 10) / seconds)} steps/s; µs cpu a step: ${used.join(', ')}`,
    );
  }
  child.disconnect();
  await nc.close();
  await server.stop();
}
