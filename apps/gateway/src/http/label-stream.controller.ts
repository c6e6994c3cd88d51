import { Controller, Res } from '@nestjs/common';
import type { ServerResponse } from 'node:http';
import { LabelStream } from '../feed/label-stream.js';
import { GatewayParts } from '../gateway-parts.js';
import type { GatewayRequest } from '../security/caller.js';
import { labelsOf } from '../store/postgres-listings.js';
import { Incoming, Operation } from './operation.js';
import { streamWishOf } from './stream-query.js';

/** Many runs in one stream. */
@Controller()
export class LabelStreamController {
  constructor(private readonly parts: GatewayParts) {}

  @Operation('streamMany')
  async stream(@Incoming() request: GatewayRequest, @Res() response: ServerResponse): Promise<void> {
    const { gate, feeds, listings, log } = this.parts;
    const { tenant } = request.caller;
    const { cursor, types } = streamWishOf(request);
    const labels = labelsOf(request.query['label']) ?? {};
    let stream: LabelStream | undefined;
    const output = gate.enter(tenant, response, () => stream?.stop());
    try {
      const known = async (): Promise<string[]> => {
        await listings.caughtUpTo(await log.lastSeq('run.submitted.>'));
        return listings.runsSince(tenant, labels, from.seq);
      };
      // Without a cursor the stream begins now, which is the moment that the client gets its headers.
      const from = cursor ?? { seq: await log.lastSeq(), index: Number.MAX_SAFE_INTEGER };
      stream = new LabelStream(feeds, output, { tenant, labels, types, cursor: from, known });
      await stream.attach();
      output.begin();
      await stream.start();
    } catch (error) {
      stream?.stop();
      if (response.headersSent) output.end();
      else output.release();
      throw error;
    }
  }
}
