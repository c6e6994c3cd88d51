import type { NewEvent, RunEventType } from '@flex/contracts';
import { EventLog } from '@flex/events';
import type { RunningService } from '@flex/events/service';
import type { GatewayConfig } from '../gateway-config.js';

export const envelope = { objective: 'Say hello', outputContract: { mode: 'freeform', instructions: 'One word' } };

/** Speaks HTTP with a gateway. */
export class GatewayCaller {
  constructor(
    private readonly gateway: () => RunningService<GatewayConfig>,
    private readonly headers: Record<string, string> = {},
  ) {}

  as(headers: Record<string, string>): GatewayCaller {
    return new GatewayCaller(this.gateway, headers);
  }

  send(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Response> {
    return fetch(`${this.gateway().url}/api/v1/flex${path}`, {
      method,
      headers: { ...this.headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  }
  get = (path: string, headers?: Record<string, string>): Promise<Response> =>
    this.send('GET', path, undefined, headers);
  post = (path: string, body: unknown = {}, headers?: Record<string, string>): Promise<Response> =>
    this.send('POST', path, body, headers);

  async json<T = Record<string, unknown>>(path: string): Promise<T> {
    return (await (await this.get(path)).json()) as T;
  }

  async submit(body: object = envelope): Promise<string> {
    const response = await this.post('/runs', body);
    if (response.status !== 202) throw new Error(`${response.status} ${await response.text()}`);
    return ((await response.json()) as { runId: string }).runId;
  }
}

/** Plays the orchestrator and a worker on the log. */
export class PlayedServices {
  #next = 0;
  constructor(readonly log: EventLog) {}

  append<T extends RunEventType>(type: T, runId: string, data: unknown, key?: string): Promise<{ seq: number }> {
    return this.log.append({ type, runId, id: `${type}.${runId}.${this.#next++}`, data, key } as unknown as NewEvent);
  }

  dispatch(runId: string, nodeId: string, accepted?: object[]): Promise<{ seq: number }> {
    const idempotencyKey = `${runId}.${nodeId}.1`;
    const data = {
      nodeId,
      attempt: 1,
      planVersion: 1,
      capabilityId: 'agent.write',
      kind: 'execution',
      inputs: {},
      outputFacets: ['copy'],
      timeoutMs: 1000,
      idempotencyKey,
      accepted,
    };
    return this.append('node.dispatched', runId, data, 'agent.write');
  }

  /** Two nodes, one after the other, then the end. */
  async finish(runId: string): Promise<void> {
    await this.dispatch(runId, 'a');
    await this.append(
      'node.reported',
      runId,
      { nodeId: 'a', attempt: 1, outputs: { copy: 'hello' }, durationMs: 5 },
      'agent.write',
    );
    await this.dispatch(runId, 'b', [{ nodeId: 'a', attempt: 1 }]);
    await this.append(
      'node.reported',
      runId,
      { nodeId: 'b', attempt: 1, outputs: { copy: 'hello again' } },
      'agent.write',
    );
    await this.append('run.completed', runId, { output: 'hello again', accepted: [{ nodeId: 'b', attempt: 1 }] });
  }
}

/** Waits for what must happen soon. */
export async function until(holds: () => boolean | Promise<boolean>, what = 'it'): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`${what} did not happen`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
