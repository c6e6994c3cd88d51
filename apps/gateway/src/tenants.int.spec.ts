import { createHash } from 'node:crypto';
import { routes, type RouteId } from '@flex/contracts';
import { bootService, type RunningService } from '@flex/events/service';
import { RegistryConfig } from '../../registry/src/registry.config.js';
import { RegistryModule } from '../../registry/src/registry.module.js';
import type { GatewayConfig } from './gateway-config.js';
import { gatewayService } from './gateway-service.js';
import { envelope, GatewayCaller, until } from './testing/gateway-fixture.js';
import { TestServers } from './testing/test-servers.js';

const keys = ['red', 'blue'].map((tenant) => ({
  id: tenant,
  sha256: createHash('sha256').update(tenant).digest('hex'),
  tenant,
  scopes: ['admin'],
}));
/** Stands in everything that belongs to red. */
const SECRET = 'secret-of-red';

/** What a request names: red's things, or things that are nobody's. */
interface Names {
  run: string;
  task: string;
  facet: string;
  capability: string;
}

/** Every operation of the API, with names in each place that takes one. */
const probes: Record<RouteId, (names: Names) => [path: string, body?: object][]> = {
  streamRun: ({ facet }) => [['/run.stream', wants(facet)]],
  createRun: ({ facet }) => [['/runs', wants(facet)]],
  validateRun: ({ facet }) => [['/runs/validate', wants(facet)]],
  streamFrames: ({ run }) => [[`/runs/${run}/stream`], [`/runs/${run}/stream?snapshot=true`]],
  streamMany: () => [['/stream?label=team:red&lastEventId=1']],
  createStreamTicket: ({ run }) => [['/stream.ticket', { runId: run }]],
  listRuns: () => [['/runs'], ['/runs?label=team:red'], [`/runs?threadId=${SECRET}`], ['/runs?status=ended']],
  getRun: ({ run }) => [[`/runs/${run}`]],
  deleteRun: ({ run }) => [[`/runs/${run}`]],
  listEvents: ({ run }) => [[`/runs/${run}/events`], [`/runs/${run}/events?types=run.submitted`]],
  getPlan: ({ run }) => [[`/runs/${run}/plan`], [`/runs/${run}/plan?version=1`]],
  listPlanVersions: ({ run }) => [[`/runs/${run}/plan/versions`]],
  diffPlans: ({ run }) => [[`/runs/${run}/plan/diff?from=1&to=1`]],
  getOutput: ({ run }) => [[`/runs/${run}/output`]],
  explainRun: ({ run }) => [[`/runs/${run}/explain`], [`/runs/${run}/explain?node=a`]],
  cancelRun: ({ run }) => [[`/runs/${run}/cancel`, {}]],
  pauseRun: ({ run }) => [[`/runs/${run}/pause`, {}]],
  resumeRun: ({ run }) => [[`/runs/${run}/resume`, {}]],
  resumeAtVersion: ({ run }) => [['/run.resume', { runId: run, expectedPlanVersion: 1 }]],
  signalRun: ({ run }) => [[`/runs/${run}/signal`, { kind: 'message', message: 'x' }]],
  replanRun: ({ run }) => [[`/runs/${run}/replan`, {}]],
  forkRun: ({ run }) => [
    [`/runs/${run}/fork`, {}],
    [`/runs/${run}/fork`, { fromSeq: 1, envelope }],
  ],
  listTasks: ({ run }) => [['/tasks?status=all'], [`/tasks?runId=${run}`], [`/tasks?assignee=${SECRET}`]],
  getTask: ({ task }) => [[`/tasks/${task}`]],
  resolveTask: ({ task }) => [[`/tasks/${task}/resolve`, { resolution: 'approve' }]],
  declineTask: ({ task }) => [[`/tasks/${task}/decline`, {}]],
  listCapabilities: ({ facet }) => [['/capabilities?status=all'], [`/capabilities?facet=${facet}`]],
  registerCapability: ({ facet }) => [['/capabilities', capability('blue.own', facet)]],
  registerMany: ({ facet }) => [['/registry', { capabilities: [capability('blue.own', facet)] }]],
  getCapability: ({ capability: id }) => [[`/capabilities/${id}`]],
  heartbeat: ({ capability: id }) => [[`/capabilities/${id}/heartbeat`, { instance: 'one' }]],
  deregister: ({ capability: id }) => [[`/capabilities/${id}`]],
  listFacets: () => [['/facets']],
  publishFacet: ({ facet }) => [['/facets', { ...published('blueFacet'), extends: facet }]],
  compileFacets: ({ facet }) => [['/facets/compile', { facets: [facet], direction: 'output' }]],
  getFacet: ({ facet }) => [[`/facets/${facet}`]],
  listFacetVersions: ({ facet }) => [[`/facets/${facet}/versions`]],
};

const wants = (facet: string) => ({ objective: 'x', outputContract: { mode: 'facets', facets: [facet] } });
const published = (name: string) => ({ name, direction: 'bidirectional', schema: { type: 'string' } });
const capability = (capabilityId: string, facet: string) => ({
  capabilityId,
  version: '1.0.0',
  displayName: SECRET,
  kind: 'execution',
  agentType: 'ai',
  inputFacets: [],
  outputFacets: [facet],
});

describe('another tenant', () => {
  let servers: TestServers;
  let gateway: RunningService<GatewayConfig>;
  let registry: RunningService<RegistryConfig>;
  let theirs: Names;
  const anybody = new GatewayCaller(() => gateway);
  const red = anybody.as({ authorization: 'Bearer red' });
  const blue = anybody.as({ authorization: 'Bearer blue' });
  const nobodys: Names = {
    run: 'x'.repeat(26),
    task: `${'x'.repeat(26)}-1-1`,
    facet: 'ofNobody',
    capability: 'no.one',
  };

  beforeAll(async () => {
    servers = await TestServers.start();
    const env = servers.env({ FLEX_API_KEYS: JSON.stringify(keys) });
    [gateway, registry] = await Promise.all([
      bootService({ ...gatewayService(), env }),
      bootService({ name: 'registry', config: RegistryConfig, module: RegistryModule, env }),
    ]);
    const played = await servers.play();
    const mine = { objective: SECRET, metadata: { labels: { team: 'red' }, threadId: SECRET } };
    const [run, ended] = [
      await red.submit({ ...envelope, ...mine }),
      await red.submit({ ...envelope, objective: SECRET }),
    ];
    await played.finish(ended);
    const task = { taskId: `${run}-1-1`, kind: 'approval', prompt: SECRET, onTimeout: 'none', round: 0 };
    await played.append('hitl.requested', run, { task });
    expect((await red.post('/facets', { ...published('redFacet'), title: SECRET })).status).toBe(200);
    expect((await red.post('/capabilities', capability('red.writer', 'redFacet'))).status).toBe(200);
    theirs = { run, task: task.taskId, facet: 'redFacet', capability: 'red.writer' };
    await until(async () => (await red.json<{ items: unknown[] }>('/tasks')).items.length === 1, 'the task');
    // What blue asks of all runs must have something to leave out.
    await blue.submit({ ...envelope, metadata: { labels: { team: 'red' } } });
  });
  afterAll(async () => {
    await Promise.all([gateway.stop(), registry.stop()]);
    await servers.stop();
  });

  /** The answer as it can be compared: without what differs by chance, and with what was asked for made the same. */
  const answer = async (
    id: RouteId,
    path: string,
    body: object | undefined,
    names: Names,
    as = blue,
  ): Promise<string> => {
    const { method } = routes.find((route) => route.id === id)!;
    const response = await as.send(method, path, body);
    const text = response.headers.get('content-type')?.startsWith('text/event-stream')
      ? await firstOf(response)
      : await response.text();
    let told = `${response.status} ${text}`;
    for (const [what, name] of Object.entries(names)) told = told.replaceAll(name, `<${what}>`);
    return told.replaceAll(/"(instance|revision|ticket|expiresAt|next)":("[^"]*"|\d+)/g, '"$1":…');
  };

  it.each(routes.map((route) => route.id))('%s: red’s things are to blue as if they were not', async (id) => {
    const [real, none] = [probes[id](theirs), probes[id](nobodys)];
    for (const [index, [path, body]] of real.entries()) {
      const told = await answer(id, path, body, theirs);
      expect(told).not.toContain(body === undefined || !JSON.stringify(body).includes(SECRET) ? SECRET : 'redFacet');
      // Where a name of red's is in the request, the answer is the one for a name that nobody has.
      if (path !== none[index]![0] || JSON.stringify(body) !== JSON.stringify(none[index]![1]))
        expect(told).toBe(await answer(id, none[index]![0], none[index]![1], nobodys));
      const [place] = path.split('?');
      if (place!.includes(theirs.run) || place!.includes(theirs.task)) expect(told).toMatch(/^404 /);
    }
  });

  it('nothing of that did anything to red', async () => {
    expect(await red.json(`/runs/${theirs.run}`)).toMatchObject({ status: 'awaiting_human', objective: SECRET });
    const { items } = await red.json<{ items: { type: string }[] }>(`/runs/${theirs.run}/events`);
    expect(items.map(({ type }) => type)).toEqual(['run.submitted', 'hitl.requested']);
    expect(await red.json(`/capabilities/${theirs.capability}`)).toMatchObject({ status: 'active' });
    expect(await red.json(`/facets/${theirs.facet}`)).toMatchObject({ title: SECRET });
    expect((await red.json<{ items: unknown[] }>('/runs')).items).toHaveLength(2);
  });

  it('has idempotency keys and threads of its own', async () => {
    const task = { ...envelope, metadata: { threadId: SECRET, onConflict: 'reject' } };
    expect((await red.post('/runs', task)).status).toBe(409);
    expect((await blue.post('/runs', task)).status).toBe(202);
    const headers = { 'idempotency-key': 'one' };
    const [one, two] = [await red.post('/runs', envelope, headers), await blue.post('/runs', envelope, headers)];
    expect(((await one.json()) as { runId: string }).runId).not.toBe(((await two.json()) as { runId: string }).runId);
  });
});

/** What a stream says within a moment: enough for all that lies in the log already. */
async function firstOf(response: Response): Promise<string> {
  let text = '';
  const reader = response.body!.getReader();
  const patience = setTimeout(() => void reader.cancel(), 300);
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    text += Buffer.from(value).toString('utf8');
  }
  clearTimeout(patience);
  return text;
}
