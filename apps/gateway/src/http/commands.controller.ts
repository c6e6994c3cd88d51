import { Controller } from '@nestjs/common';
import type { Accepted, Branch, DeltaOperation, EventData } from '@flex/contracts';
import { GatewayParts } from '../gateway-parts.js';
import type { RunSummary } from '../core/run-summary.js';
import type { GatewayRequest } from '../security/caller.js';
import { acceptedRun } from './links.js';
import { Incoming, Operation } from './operation.js';
import { refuse } from './problems.js';
import { newId } from '../runs/new-id.js';

/** Steering runs: each request is a wish in the log. */
@Controller()
export class CommandsController {
  constructor(private readonly parts: GatewayParts) {}

  @Operation('cancelRun')
  cancel(@Incoming() request: GatewayRequest): Promise<Accepted> {
    return this.#once(request, (runId, nonce) =>
      this.parts.commands.send(
        'run.cancel_requested',
        runId,
        request.caller,
        nonce,
        request.body as { reason?: string },
      ),
    );
  }

  @Operation('pauseRun')
  pause(@Incoming() request: GatewayRequest): Promise<Accepted> {
    return this.#once(request, (runId, nonce) =>
      this.parts.commands.send(
        'run.pause_requested',
        runId,
        request.caller,
        nonce,
        request.body as { reason?: string },
      ),
    );
  }

  @Operation('resumeRun')
  resume(@Incoming() request: GatewayRequest): Promise<Accepted> {
    const { expectedPlanVersion } = request.body as { expectedPlanVersion?: number };
    return this.#once(request, (runId, nonce) =>
      this.parts.commands.resume(runId, request.caller, nonce, expectedPlanVersion),
    );
  }

  @Operation('resumeAtVersion')
  resumeAtVersion(@Incoming() request: GatewayRequest): Promise<Accepted> {
    const { runId, expectedPlanVersion } = request.body as { runId: string; expectedPlanVersion: number };
    return this.#once(request, (_, nonce) =>
      this.parts.commands.resume(runId, request.caller, nonce, expectedPlanVersion),
    );
  }

  @Operation('signalRun')
  signal(@Incoming() request: GatewayRequest): Promise<Accepted> {
    const body = request.body as EventData<'policy.signalled'>;
    const missing = { manual: [], metric: ['metric', 'value'], message: ['message'] }[body.kind].filter(
      (name) => body[name as 'metric'] === undefined,
    );
    if (missing.length > 0) {
      throw refuse.invalidBody(
        missing.map((name) => ({
          pointer: `/${name}`,
          message: `"${name}" is required for kind ${body.kind}`,
          keyword: 'required',
        })),
      );
    }
    return this.#once(request, (runId, nonce) => this.parts.commands.signal(runId, request.caller, nonce, body));
  }

  @Operation('replanRun')
  replan(@Incoming() request: GatewayRequest): Promise<Accepted> {
    const {
      rationale,
      operations,
      branches,
      baseVersion = versionOf(request.headers['if-match']),
    } = request.body as {
      rationale?: string;
      operations?: DeltaOperation[];
      branches?: Branch[];
      baseVersion?: number;
    };
    if (operations && baseVersion === undefined) {
      throw refuse.invalidBody([
        { pointer: '/baseVersion', message: 'an edit needs "baseVersion" or If-Match', keyword: 'required' },
      ]);
    }
    if (operations && branches) {
      throw refuse.invalidBody([
        { pointer: '/branches', message: 'an edit has either "operations" or "branches"', keyword: 'not' },
      ]);
    }
    return this.#once(request, (runId, nonce) =>
      this.parts.commands.replan(runId, request.caller, nonce, { rationale, operations, branches, baseVersion }),
    );
  }

  #once(request: GatewayRequest, send: (runId: string, nonce: string) => Promise<RunSummary>): Promise<Accepted> {
    return this.parts.idempotency.once(request, newId(), async (nonce) => {
      const run = await send(request.params['runId'] ?? '', nonce);
      return acceptedRun(run.runId, run.status);
    });
  }
}

/** Plan versions are their own entity tags: `"3"`. A condition that cannot be read is not dropped without a word. */
export function versionOf(ifMatch: string | undefined): number | undefined {
  if (ifMatch === undefined || ifMatch === '*') return undefined;
  const match = /^(?:W\/)?"?(\d{1,6})"?$/.exec(ifMatch);
  if (match) return Number(match[1]);
  throw refuse.invalidHeader('If-Match', 'the ETag of a plan, e.g. "3"');
}
