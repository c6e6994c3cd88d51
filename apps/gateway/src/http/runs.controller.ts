import { Controller, Res } from '@nestjs/common';
import type { ServerResponse } from 'node:http';
import { formatFrameId, parseFrameId, type RunView } from '@flex/contracts';
import { isEnded, runView } from '../core/run-view.js';
import { controlFrame } from '../core/sse-text.js';
import { START, RunStream } from '../feed/run-stream.js';
import { GatewayParts } from '../gateway-parts.js';
import type { GatewayRequest } from '../security/caller.js';
import { Incoming, Operation } from './operation.js';
import { refuse } from './problems.js';
import { streamWishOf } from './stream-query.js';

/** Runs as clients look at them. */
@Controller()
export class RunsController {
  constructor(private readonly parts: GatewayParts) {}

  @Operation('listRuns')
  list(@Incoming() request: GatewayRequest) {
    return this.parts.listings.runs(request.query, request.caller);
  }

  @Operation('getRun')
  async get(@Incoming() request: GatewayRequest): Promise<RunView> {
    return runView(await this.parts.runs.summary(request.params['runId']!, request.caller));
  }

  @Operation('getOutput')
  async output(@Incoming() request: GatewayRequest) {
    const run = await this.parts.runs.summary(request.params['runId']!, request.caller);
    if (!isEnded(run.status)) throw refuse.runOpen(run.runId, run.status);
    const { runId, status, output, satisfaction, error } = run;
    return { runId, status, output, satisfaction, error };
  }

  @Operation('deleteRun')
  async delete(@Incoming() request: GatewayRequest): Promise<void> {
    const { runId, status } = await this.parts.runs.summary(request.params['runId']!, request.caller);
    if (!isEnded(status)) throw refuse.runOpen(runId, status);
    const { by } = request.caller;
    await this.parts.deletion.delete(runId, by ? { by } : {});
    this.parts.feeds.forget(runId);
  }

  @Operation('streamFrames')
  async stream(@Incoming() request: GatewayRequest, @Res() response: ServerResponse): Promise<void> {
    const { gate, runs, history } = this.parts;
    const wish = streamWishOf(request);
    let stream: RunStream | undefined;
    const output = gate.enter(request.caller.tenant, response, () => stream?.stop());
    try {
      const hub = await runs.hub(request.params['runId']!, request.caller);
      // 204 is how a server tells an EventSource to stop reconnecting: it comes with the same query each time.
      if (wish.cursor && hub.isOver(wish.cursor, wish.types)) {
        output.release();
        response.statusCode = 204;
        response.end();
        return;
      }
      output.begin();
      let cursor = wish.cursor ?? START;
      if (wish.snapshot) {
        const view = runView(hub.summary);
        output.write(controlFrame('snapshot', view));
        const last = hub.frame(hub.end - 1);
        // Deltas follow the snapshot, unless the client says what it has; an ended run still ends with its last frame.
        if (!wish.cursor && last)
          cursor = hub.ended ? before(hub.end, hub) : (parseFrameId(formatFrameId(last)) ?? START);
      }
      stream = new RunStream(hub, history, output, { cursor, types: wish.types });
      stream.start();
    } catch (error) {
      output.release();
      throw error;
    }
  }
}

/** The place just before the final frame. */
function before(end: number, hub: { frame(place: number): { seq: number; index: number } | undefined }) {
  const last = hub.frame(end - 2);
  return last ? { seq: last.seq, index: last.index } : START;
}
