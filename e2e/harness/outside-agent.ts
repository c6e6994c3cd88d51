import {
  AckPolicy,
  DeliverPolicy,
  jetstream,
  jetstreamManager,
  type ConsumerMessages,
  type JsMsg,
} from '@nats-io/jetstream';
import { Objm } from '@nats-io/obj';
import { headers, type NatsConnection } from '@nats-io/transport-node';
import type { Capability, Json } from '@flex/contracts';
import type { FlexHttp } from './flex-http.js';

/** A work item as an agent in any language sees it: the data of `node.dispatched`. */
export interface WorkItem {
  runId: string;
  nodeId: string;
  attempt: number;
  planVersion: number;
  inputs: Record<string, Json>;
  instruction?: string;
}

export type Handler = (item: WorkItem) => Record<string, Json> | Promise<Record<string, Json>>;

/**
 * A capability worker that uses nothing of Flex's code: it registers over HTTP, takes its work items from the log with a
 * plain JetStream consumer, and answers with a CloudEvent.
 */
export class OutsideAgent {
  readonly seen: WorkItem[] = [];
  private messages: ConsumerMessages | undefined;
  private beat: NodeJS.Timeout | undefined;
  private loop: Promise<void> | undefined;

  private constructor(
    private readonly http: FlexHttp,
    private readonly nats: NatsConnection,
    private readonly capability: Capability,
    private readonly handle: Handler,
  ) {}

  static async start(
    http: FlexHttp,
    nats: NatsConnection,
    capability: Capability,
    handle: Handler,
  ): Promise<OutsideAgent> {
    const agent = new OutsideAgent(http, nats, capability, handle);
    await agent.consume();
    await http.ok('POST', '/api/v1/flex/capabilities', capability);
    await agent.heartbeat();
    agent.beat = setInterval(() => void agent.heartbeat().catch(() => undefined), 1000);
    return agent;
  }

  async stop(): Promise<void> {
    clearInterval(this.beat);
    await this.messages?.close();
    await this.loop;
    await this.http.send('DELETE', `/api/v1/flex/capabilities/${this.capability.capabilityId}`).catch(() => undefined);
  }

  /** Stops beating without a word: what a crash looks like from outside. */
  vanish(): void {
    clearInterval(this.beat);
  }

  private heartbeat = (): Promise<unknown> =>
    this.http.ok('POST', `/api/v1/flex/capabilities/${this.capability.capabilityId}/heartbeat`, {
      instance: 'outside',
    });

  private async consume(): Promise<void> {
    const manager = await jetstreamManager(this.nats);
    const name = `outside-${this.capability.capabilityId.replaceAll('.', '-')}`;
    await manager.consumers.add('FLEX', {
      name,
      filter_subject: `node.dispatched.*.*.${this.capability.capabilityId}`,
      ack_policy: AckPolicy.Explicit,
      deliver_policy: DeliverPolicy.New,
      inactive_threshold: 60_000_000_000,
    });
    const consumer = await jetstream(this.nats).consumers.get('FLEX', name);
    this.messages = await consumer.consume();
    this.loop = this.work(this.messages);
  }

  private async work(messages: ConsumerMessages): Promise<void> {
    for await (const message of messages) {
      const [, , partition, runId] = message.subject.split('.') as [string, string, string, string];
      const item = { ...(await this.dataOf(message, runId)), runId };
      this.seen.push(item);
      const report = await this.attempt(item);
      await publishEvent(this.nats, `node.reported.${partition}.${runId}.${this.capability.capabilityId}`, {
        id: `${runId}:${item.nodeId}:${item.attempt}:reported`,
        type: 'node.reported',
        runId,
        source: 'outside-agent',
        data: { nodeId: item.nodeId, attempt: item.attempt, worker: 'outside', ...report },
      });
      message.ack();
    }
  }

  /** Data above 256 KiB is not in the message: the header names what to fetch from the object store. */
  private async dataOf(message: JsMsg, runId: string): Promise<WorkItem> {
    const claim = message.headers?.get('flex-claim');
    if (!claim) return message.json<WorkItem>();
    const store = await new Objm(this.nats).open('flex_claims');
    const bytes = await store.getBlob(`${runId}/${claim.split('/')[0]}`);
    return JSON.parse(new TextDecoder().decode(bytes!)) as WorkItem;
  }

  private async attempt(item: WorkItem): Promise<Record<string, Json>> {
    try {
      return { outputs: await this.handle(item) };
    } catch (error) {
      return { error: { code: 'handler_failed', message: (error as Error).message, retryable: true } };
    }
  }
}

export interface CloudEvent {
  id: string;
  type: string;
  runId: string;
  source: string;
  data: unknown;
}

/** Appends a CloudEvent in NATS binary mode, as docs describe it to other languages. */
export async function publishEvent(nats: NatsConnection, subject: string, event: CloudEvent): Promise<number> {
  const head = headers();
  head.set('Nats-Msg-Id', event.id);
  head.set('ce-specversion', '1.0');
  head.set('ce-id', event.id);
  head.set('ce-type', event.type);
  head.set('ce-source', `/flex/${event.source}`);
  head.set('ce-subject', event.runId);
  head.set('ce-time', new Date().toISOString());
  head.set('ce-dataschema', `urn:flex:${event.type}:1`);
  head.set('content-type', 'application/json');
  const ack = await jetstream(nats).publish(subject, JSON.stringify(event.data), { headers: head });
  return ack.seq;
}
