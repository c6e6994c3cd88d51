import { AckPolicy, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { BARE_STREAM } from './bare-protocol.js';
import { natsAccess } from '../harness/nats-access.js';

/** The one worker process of the bare protocol: takes a dispatch, appends a report, acknowledges. */
const nc = await connect(natsAccess(process.argv[2]!));
const jsm = await jetstreamManager(nc);
await jsm.consumers.add(BARE_STREAM, {
  durable_name: 'worker',
  ack_policy: AckPolicy.Explicit,
  filter_subject: 'bare.dispatched.>',
  max_ack_pending: 10_000,
});
const js = jetstream(nc);
const consumer = await js.consumers.get(BARE_STREAM, 'worker');
const work = await consumer.consume({ max_messages: 500 });
process.send?.('ready');
process.on('disconnect', () => process.exit(0));
for await (const message of work) {
  const { run, step } = message.json<{ run: string; step: number }>();
  void js
    .publish(`bare.reported.${run}`, JSON.stringify({ run, step, filler: 'x'.repeat(300) }), {
      msgID: `${run}:${step}:r`,
    })
    .then(() => message.ack());
}
