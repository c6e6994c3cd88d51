import { Controller, Res } from '@nestjs/common';
import type { ServerResponse } from 'node:http';
import { diffPlans } from '@flex/planning';
import { eventTypes, type EventPageView, type PlanGraph, type StoredEvent } from '@flex/contracts';
import type { LogEvent } from '@flex/events';
import { explain } from '../core/explanation.js';
import { writtenData } from '../core/written-data.js';
import { planVersions, type PlanVersion } from '../core/plan-history.js';
import { timestampOf } from '../timestamp.js';
import { GatewayParts } from '../gateway-parts.js';
import type { GatewayRequest } from '../security/caller.js';
import type { ArchivedEvent } from '../store/archive-format.js';
import { Incoming, Operation } from './operation.js';
import { decodeCursor, encodeCursor, limitOf } from './pagination.js';
import { refuse } from './problems.js';
import { namesOf } from './query-names.js';

/** The plan of a run, its history and its reasons: all made from the stored events. */
@Controller()
export class PlanController {
  constructor(private readonly parts: GatewayParts) {}

  @Operation('getPlan')
  async plan(
    @Incoming() request: GatewayRequest,
    @Res({ passthrough: true }) response: ServerResponse,
  ): Promise<PlanGraph> {
    const { version } = request.query as { version?: string };
    const found = pick(await this.#versions(request), version);
    response.setHeader('etag', `"${found.plan.version}"`);
    return found.plan;
  }

  @Operation('listPlanVersions')
  async versions(@Incoming() request: GatewayRequest) {
    const items = (await this.#versions(request)).map(({ plan, cause, seq, time }) => ({
      version: plan.version,
      versionTag: plan.versionTag,
      parentVersion: plan.parentVersion,
      cause,
      at: timestampOf(time),
      seq,
      nodes: plan.nodes.length,
      edges: plan.edges.length,
    }));
    return { runId: request.params['runId'], items };
  }

  @Operation('diffPlans')
  async diff(@Incoming() request: GatewayRequest) {
    const { from, to } = request.query as { from?: string; to?: string };
    const versions = await this.#versions(request);
    const after = pick(versions, to).plan;
    const before = pick(versions, from ?? String(Math.max(1, after.version - 1))).plan;
    return { runId: request.params['runId'], from: before.version, to: after.version, ...diffPlans(before, after) };
  }

  @Operation('explainRun')
  async explain(@Incoming() request: GatewayRequest) {
    const runId = request.params['runId']!;
    const { node } = request.query as { node?: string };
    const explanation = explain(runId, await this.parts.runs.events(runId, request.caller));
    if (node === undefined) return explanation;
    const found = explanation.nodes.find((candidate) => candidate.nodeId === node);
    if (!found) throw refuse.nodeNotFound(node);
    return { ...explanation, nodes: [found] };
  }

  @Operation('listEvents')
  async events(@Incoming() request: GatewayRequest): Promise<EventPageView> {
    const { types, limit: limitText, cursor } = request.query as Record<string, string | undefined>;
    const limit = limitOf(limitText);
    const after = decodeCursor(cursor, ['sequence'])?.[0] ?? 0;
    const wanted = namesOf('types', types, eventTypes);
    const all = await this.parts.runs.events(request.params['runId']!, request.caller);
    const rest = all.filter((event) => event.seq > after && (!wanted || wanted.has(event.type)));
    const items = rest.slice(0, limit).map(eventItem);
    return rest.length > limit ? { items, next: encodeCursor([items.at(-1)!.seq]) } : { items };
  }

  async #versions(request: GatewayRequest): Promise<PlanVersion[]> {
    return planVersions(await this.parts.runs.events(request.params['runId']!, request.caller));
  }
}

function pick(versions: PlanVersion[], version: string | undefined): PlanVersion {
  const found = version === undefined ? versions.at(-1) : versions.find(({ plan }) => plan.version === Number(version));
  if (!found) throw refuse.planNotFound(version === undefined ? undefined : Number(version));
  return found;
}

/** As it was written, so that its digest can be checked, also where the code knows a newer form of its data. */
function eventItem(event: StoredEvent): EventPageView['items'][number] {
  const { seq, id, type, version, time, source, traceparent, key } = event;
  const { digest, data, text } = isLogEvent(event) ? fromLog(event) : fromArchive(event as ArchivedEvent);
  return {
    seq,
    id,
    type,
    version,
    time: timestampOf(time),
    source,
    ...(traceparent ? { traceparent } : {}),
    ...(key === undefined ? {} : { key }),
    digest,
    data: data as EventPageView['items'][number]['data'],
    ...(text === undefined ? {} : { text }),
  };
}

const isLogEvent = (event: object): event is LogEvent => 'bytes' in event;
const fromLog = (event: LogEvent) => ({ digest: event.digest(), ...writtenData(event.bytes) });
const fromArchive = ({ digest, data, written, text }: ArchivedEvent) => ({ digest, data: written ?? data, text });
