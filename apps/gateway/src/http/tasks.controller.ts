import { Controller } from '@nestjs/common';
import type { Accepted, ResolveBody, TaskItem } from '@flex/contracts';
import { taskItem } from '../core/run-view.js';
import { GatewayParts } from '../gateway-parts.js';
import type { GatewayRequest } from '../security/caller.js';
import { versionOf } from './commands.controller.js';
import { acceptedRun } from './links.js';
import { Incoming, Operation } from './operation.js';
import { newId } from '../runs/new-id.js';

/** Questions to people. */
@Controller()
export class TasksController {
  constructor(private readonly parts: GatewayParts) {}

  /** Who has just seen a run ask for something finds it here: one run's tasks come from the log, not from a read model. */
  @Operation('listTasks')
  async list(@Incoming() request: GatewayRequest): Promise<{ items: TaskItem[]; next?: string }> {
    const query = request.query as Record<string, string | undefined>;
    if (query['runId'] === undefined) return this.parts.listings.tasks(query, request.caller);
    return { items: await this.parts.tasks.ofRun(query['runId'], query, request.caller) };
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

  #once(
    request: GatewayRequest,
    answer: (taskId: string) => Promise<{ runId: string; status: string }>,
  ): Promise<Accepted> {
    return this.parts.idempotency.once(request, newId(), async () => {
      const run = await answer(request.params['taskId']!);
      return acceptedRun(run.runId, run.status);
    });
  }
}
