import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CHECKOUT } from '@flex/embedded';
import { parse } from 'yaml';
import { OtlpCollector, type ReceivedSpan } from '../harness/otlp-collector.js';
import { OwnStack } from '../harness/own-stack.js';
import { metricsAsked, prometheusSeries } from '../harness/prometheus-series.js';
import { sampleValue } from '../harness/sample-value.js';
import { example } from '../harness/target.js';
import { startOpenAiServer, type OpenAiServer } from '../openai-server.js';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const CALLER = 'b7ad6b7169203331';
const SERVICES = ['flex-gateway', 'flex-orchestrator', 'flex-planner', 'flex-policy', 'flex-worker'];

/** The services send to a real OTLP endpoint; a run with a model, policies and a person is one trace through them all. */
describe('Telemetry', () => {
  let collector: OtlpCollector;
  let openAi: OpenAiServer;
  let stack: OwnStack;
  let runId: string;

  beforeAll(async () => {
    collector = await OtlpCollector.start();
    // A model that answers whatever schema it is given: its drafts are refused, what its agents write is taken.
    openAi = await startOpenAiServer({
      respond: ({ body }) => ({
        json: sampleValue((body.response_format?.json_schema?.schema ?? {}) as never),
        usage: { inputTokens: 70, outputTokens: 7 },
      }),
    });
    stack = await OwnStack.start({
      env: {
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
        OTEL_BSP_SCHEDULE_DELAY: '100',
        OTEL_METRIC_EXPORT_INTERVAL: '1000',
        OPENAI_BASE_URL: openAi.url,
        OPENAI_API_KEY: 'test',
        FLEX_PLANNER_MODEL: 'scripted',
        FLEX_PLANNER_PRICE_INPUT: '1',
        FLEX_PLANNER_PRICE_OUTPUT: '10',
      },
    });
    const envelope = {
      ...example('linkedin-variants'),
      policies: {
        runtime: [{ id: 'ask', trigger: { kind: 'onStart' }, action: { type: 'hitl', rationale: 'Start?' } }],
      },
    };
    const response = await fetch(`${stack.http.url}/api/v1/flex/runs`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', traceparent: `00-${TRACE}-${CALLER}-01` },
      body: JSON.stringify(envelope),
    });
    ({ runId } = (await response.json()) as { runId: string });
    const stream = stack.http.follow(runId);
    const { payload } = await stream.untilType('hitl_request');
    await stack.http.resolve(String(payload['taskId']), { resolution: 'approve' });
    const frames = await stream.completed();
    expect(frames.at(-1)!.payload).toMatchObject({ status: 'completed' });
  }, 180_000);
  afterAll(async () => {
    await stack?.stop();
    await openAi?.stop();
    await collector?.stop();
  }, 60_000);

  const ofRun = (): ReceivedSpan[] => collector.spans.filter(({ traceId }) => traceId === TRACE);
  const named = (service: string, name: string): ReceivedSpan[] =>
    ofRun().filter((span) => span.service === service && span.name === name);

  it('is one trace of the run through all services, without a gap', async () => {
    await eventually(() => SERVICES.every((service) => ofRun().some((span) => span.service === service)));
    await eventually(() => named('flex-orchestrator', 'send run.completed').length === 1);
    await eventually(() => named('flex-gateway', 'POST /api/v1/flex/runs').length === 1);
    const [server] = named('flex-gateway', 'POST /api/v1/flex/runs');
    expect(server).toMatchObject({ kind: 2, parentSpanId: CALLER });
    expect(server!.attributes).toMatchObject({ 'http.response.status_code': 202, 'http.route': '/api/v1/flex/runs' });
    await eventually(() => orphans(ofRun()).length === 0);

    const [submitted] = named('flex-gateway', 'send run.submitted');
    expect(submitted).toMatchObject({ kind: 4, parentSpanId: server!.spanId });
    expect(submitted!.attributes).toMatchObject({ 'messaging.system': 'nats', 'flex.run_id': runId });
    const [normalised] = named('flex-policy', 'process run.submitted');
    expect(normalised).toMatchObject({ kind: 5, parentSpanId: submitted!.spanId });

    await eventually(() => ofRun().some(({ name }) => name.startsWith('execute writer.')));
    const [executed] = ofRun().filter(({ name }) => name.startsWith('execute writer.'));
    const consumed = ofRun().find(({ spanId }) => spanId === executed!.parentSpanId);
    expect(consumed).toMatchObject({ service: 'flex-worker', name: 'process node.dispatched' });
    const dispatched = ofRun().find(({ spanId }) => spanId === consumed!.parentSpanId);
    expect(dispatched).toMatchObject({ service: 'flex-orchestrator', name: 'send node.dispatched' });
  });

  it('describes calls of models by the conventions for generative AI', async () => {
    await eventually(
      () => named('flex-worker', 'chat scripted').length + named('flex-planner', 'chat scripted').length > 1,
    );
    const [call] = named('flex-planner', 'chat scripted');
    expect(call).toMatchObject({ kind: 3 });
    expect(call!.attributes).toMatchObject({
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': 'openai',
      'gen_ai.request.model': 'scripted',
      'gen_ai.usage.input_tokens': 70,
      'gen_ai.usage.output_tokens': 7,
    });
    expect(JSON.stringify(ofRun())).not.toContain('LinkedIn');
  });

  it.each<[string, object]>([
    ['flex.runs', { status: 'submitted' }],
    ['flex.runs', { status: 'completed' }],
    ['flex.run.duration', { status: 'completed' }],
    ['flex.plan.attempts', { phase: 'initial' }],
    ['flex.plan.rejections', { phase: 'initial' }],
    ['flex.node.duration', { outcome: 'completed' }],
    ['flex.policy.triggers', { action: 'hitl' }],
    ['flex.hitl.waiting', { kind: 'approval', outcome: 'answered' }],
    ['flex.partition.lag', {}],
    ['flex.partition.owned', {}],
    ['flex.append.duration', {}],
    ['flex.sse.clients', {}],
    ['flex.tokens', { by: 'planner', direction: 'input' }],
    ['flex.cost', { by: 'planner' }],
    ['gen_ai.client.token.usage', { 'gen_ai.token.type': 'output' }],
  ])('measures %s %j', async (metric, attributes) => {
    const found = () => collector.pointsOf(metric).filter((point) => matches(point.attributes, attributes));
    await eventually(() => found().length > 0);
    if (metric === 'flex.runs') expect(found().map(({ value }) => value)).toEqual([1]);
  });

  it('counts what was put aside', async () => {
    stack.nats.publish(`run.pause_requested.00.${runId}`, '{"not": "an event"}');
    await eventually(() => collector.pointsOf('flex.dead_letters').some(({ value }) => value > 0));
  });

  it('is what dashboards and alerts ask for, as the exporter of the collector names it', async () => {
    await eventually(() => collector.pointsOf('flex.dead_letters').length > 0);
    const series = prometheusSeries(collector.points.values());
    const asked = questions().flatMap(({ where, expression, shown }) =>
      metricsAsked(expression, shown).map((one) => ({ where, ...one })),
    );
    expect(asked.length).toBeGreaterThan(25);
    for (const [metric, labels] of NATS_EXPORTER) series.set(metric, labels);
    const missing = asked.flatMap(({ where, metric, labels }) => {
      const found = series.get(metric);
      if (!found) return [`${where}: there is no ${metric}`];
      return [...labels.keys()]
        .filter((label) => !found.has(label))
        .map((label) => `${where}: ${metric} has no label ${label}, it has ${[...found.keys()].join(' ')}`);
    });
    expect(missing).toEqual([]);
    // Each series says whose it is, by the name that the replica has in logs and leases.
    for (const { service, instance } of collector.points.values()) expect(`flex-${instance}`).toBe(`${service}-1`);
  });
});

/** Every expression of dashboards and alert rules, with the labels that are shown of its result. */
function questions(): { where: string; expression: string; shown: string[] }[] {
  const folder = join(CHECKOUT, 'deploy/grafana/dashboards');
  const panels = readdirSync(folder).flatMap((file) =>
    (JSON.parse(readFileSync(join(folder, file), 'utf8')) as Dashboard).panels.flatMap(({ title, targets }) =>
      targets.map(({ expr, legendFormat }) => ({
        where: `${file}: ${title}`,
        expression: expr,
        shown: [...legendFormat.matchAll(/\{\{\s*(\w+)\s*\}\}/g)].map((match) => match[1]!),
      })),
    ),
  );
  const { groups } = parse(readFileSync(join(CHECKOUT, 'deploy/alerts/flex.yaml'), 'utf8')) as Rules;
  const rules = groups.flatMap((group) =>
    group.rules.map(({ alert, expr, annotations }) => ({
      where: alert,
      expression: expr,
      shown: [...annotations.summary.matchAll(/\$labels\.(\w+)/g)].map((match) => match[1]!),
    })),
  );
  return [...panels, ...rules];
}

interface Dashboard {
  panels: { title: string; targets: { expr: string; legendFormat: string }[] }[];
}
interface Rules {
  groups: { rules: { alert: string; expr: string; annotations: { summary: string } }[] }[];
}

/** Of prometheus-nats-exporter with `-jsz=all`: its `collector/jsz.go`. */
const NATS_EXPORTER = [
  ['jetstream_server_total_message_bytes', ''],
  ['jetstream_server_max_storage', ''],
  ['jetstream_stream_total_messages', 'stream_name'],
  ['jetstream_stream_total_bytes', 'stream_name'],
  ['jetstream_consumer_num_pending', 'stream_name consumer_name is_consumer_leader'],
].map(([metric, labels]) => [metric!, new Map(labels!.split(' ').map((label) => [label, new Set<string>()]))] as const);

/** Spans whose parent nobody sent; the caller's own is not ours to send. */
function orphans(spans: ReceivedSpan[]): ReceivedSpan[] {
  const known = new Set([CALLER, ...spans.map(({ spanId }) => spanId)]);
  return spans.filter(({ parentSpanId }) => !known.has(parentSpanId ?? ''));
}

const matches = (attributes: object, wanted: object): boolean =>
  Object.entries(wanted).every(([name, value]) => (attributes as Record<string, unknown>)[name] === value);

async function eventually(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`never came true: ${condition.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
