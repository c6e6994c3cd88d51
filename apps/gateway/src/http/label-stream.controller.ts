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
      output.begin();
      const known = async (): Promise<string[]> => {
        await listings.caughtUpTo(await log.lastSeq('run.submitted.>'));
        return listings.runsSince(tenant, labels, cursor?.seq);
      };
      stream = new LabelStream(feeds, output, { tenant, labels, types, cursor, known });
      await stream.start();
    } catch (error) {
      output.end();
      throw error;
    }
  }
}
