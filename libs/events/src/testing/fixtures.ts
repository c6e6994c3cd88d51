import type { NatsConnection } from '@nats-io/nats-core';
import type { NewEvent } from '@flex/contracts';
import { connectNats } from '../connect.js';
import { openEventLog, type EventLog } from '../event-log.js';
import { ensureStreams, type StreamsOptions } from '../streams.js';
import type { TestServer } from './nats-server.js';

/** A log on a test server, and the connection beneath it. */
export async function openTestLog(
  server: Pick<TestServer, 'url'>,
  options: StreamsOptions & { name?: string } = {},
): Promise<{ nc: NatsConnection; log: EventLog }> {
  const nc = await connectNats({ url: server.url, name: options.name ?? 'test' });
  const shape = await ensureStreams(nc, options);
  return { nc, log: await openEventLog({ nc, source: 'orchestrator', shape }) };
}

/** A small event that anybody may append in tests. */
export function pauseRequested(runId: string, id: string, reason = 'a test'): NewEvent<'run.pause_requested'> {
  return { type: 'run.pause_requested', runId, id, data: { reason, by: 'tester' } };
}
