import { Controller, Res } from '@nestjs/common';
import type { ServerResponse } from 'node:http';
import type { Accepted, TaskEnvelope } from '@flex/contracts';
import { GatewayParts } from '../gateway-parts.js';
import { START, RunStream } from '../feed/run-stream.js';
import { newId } from '../runs/new-id.js';
import type { GatewayRequest } from '../security/caller.js';
import { acceptedRun, runPath } from './links.js';
import { Incoming, Operation } from './operation.js';
import { streamWishOf } from './stream-query.js';

/** Where tasks come in. */
@Controller()
export class SubmitController {
  constructor(private readonly parts: GatewayParts) {}

  @Operation('createRun')
  async create(
    @Incoming() request: GatewayRequest,
    @Res({ passthrough: true }) response: ServerResponse,
  ): Promise<Accepted> {
    const { submission, idempotency } = this.parts;
    const submit = async (runId: string): Promise<Accepted> => {
      await submission.submit({ runId, ...wishOf(request) });
      return acceptedRun(runId, 'submitted');
    };
    const accepted = await idempotency.once(request, newId(), submit, { repeatable: true });
    response.setHeader('location', runPath(accepted.runId));
    return accepted;
  }

  /** The stream is there before the task is in the log, so that its first frame needs no look back. */
  @Operation('streamRun')
  async stream(@Incoming() request: GatewayRequest, @Res() response: ServerResponse): Promise<void> {
    const { submission, idempotency, gate, feeds, history } = this.parts;
    const { types } = streamWishOf(request);
    let stream: RunStream | undefined;
    const output = gate.enter(request.caller.tenant, response, () => stream?.stop());
    try {
      const fresh = newId();
      const hub = await feeds.openNew(fresh);
      const submit = async (reserved: string): Promise<{ runId: string }> => {
        await submission.submit({ runId: reserved, ...wishOf(request) });
        return { runId: reserved };
      };
      const { runId } = await idempotency.once(request, fresh, submit, { repeatable: true });
      if (runId !== fresh) feeds.forget(fresh);
      const watched = runId === fresh ? hub : await feeds.open(runId);
      output.begin({ location: runPath(runId), 'x-run-id': runId });
      stream = new RunStream(watched, history, output, { cursor: START, types });
      stream.start();
    } catch (error) {
      output.release();
      throw error;
    }
  }

  @Operation('forkRun')
  async fork(
    @Incoming() request: GatewayRequest,
    @Res({ passthrough: true }) response: ServerResponse,
  ): Promise<Accepted> {
    const { forks, idempotency } = this.parts;
    const accepted = await idempotency.once(request, newId(), async (runId) => {
      const { fromSeq, envelope } = request.body as { fromSeq?: number; envelope?: TaskEnvelope };
      await forks.fork({
        runId,
        origin: request.params['runId']!,
        fromSeq,
        envelope,
        caller: request.caller,
        traceparent: request.traceparent,
      });
      return acceptedRun(runId, 'submitted');
    });
    response.setHeader('location', runPath(accepted.runId));
    return accepted;
  }
}

const wishOf = (request: GatewayRequest) => ({
  envelope: request.body as TaskEnvelope,
  caller: request.caller,
  traceparent: request.traceparent,
});
