import { Controller } from '@nestjs/common';
import type { Accepted, ResolveBody, TaskItem } from '@flex/contracts';
import { taskItem } from '../core/run-view.js';
import { GatewayParts } from '../gateway-parts.js';
import type { GatewayRequest } from '../security/caller.js';
import { versionOf } from './commands.controller.js';
import { acceptedRun } from './links.js';
import { Incoming, Operation } from './operation.js';
import { newNonce } from './submit.controller.js';

/** Questions to people. */
@Controller()
export class TasksController {
  constructor(private readonly parts: GatewayParts) {}

  @Operation('listTasks')
  async list(@Incoming() request: GatewayRequest) {
    const { runId } = request.query as { runId?: string };
    // Who has just seen a run ask for something finds it here: one run's tasks are never behind its stream.
    if (runId !== undefined) await this.#upToDate(runId, request);
    return this.parts.listings.tasks(request.query, request.caller);
  }

  @Operation('getTask')
  async get(@Incoming() request: GatewayRequest): Promise<TaskItem> {
    return taskItem((await this.parts.tasks.find(request.params['taskId']!, request.caller)).task);
  }

  @Operation('resolveTask')
  resolve(@Incoming() request: GatewayRequest): Promise<Accepted> {
    const body = request.body as ResolveBody;
    const baseVersion = body.baseVersion ?? versionOf(request.headers['if-match']);
    return this.#once(request, (taskId) =>
      this.parts.tasks.resolve(taskId, baseVersion === undefined ? body : { ...body, baseVersion }, request.caller),
    );
  }

  @Operation('declineTask')
  decline(@Incoming() request: GatewayRequest): Promise<Accepted> {
    const { comment } = request.body as { comment?: string };
    return this.#once(request, (taskId) => this.parts.tasks.decline(taskId, comment, request.caller));
  }

  async #upToDate(runId: string, request: GatewayRequest): Promise<void> {
    const run = await this.parts.runs.summary(runId, request.caller).catch(() => undefined);
    if (run) await this.parts.listings.caughtUpTo(run.lastSeq);
  }

  #once(
    request: GatewayRequest,
    answer: (taskId: string) => Promise<{ runId: string; status: string }>,
  ): Promise<Accepted> {
    return this.parts.idempotency.once(request, newNonce(), async () => {
      const run = await answer(request.params['taskId']!);
      return acceptedRun(run.runId, run.status);
    });
  }
}
