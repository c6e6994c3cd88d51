import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

type Attributes = Record<string, string | number | boolean | undefined>;

export interface ReceivedSpan {
  service: string;
  name: string;
  /** 1 internal, 2 server, 3 client, 4 producer, 5 consumer. */
  kind: number;
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  attributes: Attributes;
}

export interface ReceivedPoint {
  service: string;
  /** The replica. */
  instance: string;
  metric: string;
  kind: 'counter' | 'sum' | 'gauge' | 'histogram';
  unit: string;
  attributes: Attributes;
  /** Sum of a counter, value of a gauge, count of a histogram. */
  value: number;
}

interface Value {
  stringValue?: string;
  intValue?: string | number;
  doubleValue?: number;
  boolValue?: boolean;
}
interface KeyValue {
  key: string;
  value: Value;
}
interface Point {
  attributes?: KeyValue[];
  asInt?: string | number;
  asDouble?: number;
  count?: string | number;
}
interface Metric {
  name: string;
  unit?: string;
  sum?: { dataPoints: Point[]; isMonotonic?: boolean };
  gauge?: { dataPoints: Point[] };
  histogram?: { dataPoints: Point[] };
}
interface Resource {
  resource: { attributes: KeyValue[] };
  scopeSpans?: { spans: (Omit<ReceivedSpan, 'service' | 'attributes'> & { attributes?: KeyValue[] })[] }[];
  scopeMetrics?: { metrics: Metric[] }[];
}

/** A collector that takes OTLP over HTTP with JSON bodies, as exporters send it, and keeps what it got. */
export class OtlpCollector {
  readonly spans: ReceivedSpan[] = [];
  /** The last value of each time series. */
  readonly points = new Map<string, ReceivedPoint>();

  private constructor(private readonly server: Server) {}

  static async start(): Promise<OtlpCollector> {
    const server = createServer();
    const collector = new OtlpCollector(server);
    server.on('request', (request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        collector.take(JSON.parse(Buffer.concat(chunks).toString()) as never);
        response.setHeader('content-type', 'application/json').end('{}');
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return collector;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  stop(): Promise<void> {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(() => resolve()));
  }

  pointsOf(metric: string): ReceivedPoint[] {
    return [...this.points.values()].filter((point) => point.metric === metric);
  }

  #keep(point: ReceivedPoint): void {
    const { service, instance, metric, attributes } = point;
    this.points.set(`${service} ${instance} ${metric} ${JSON.stringify(attributes)}`, point);
  }

  private take({ resourceSpans = [], resourceMetrics = [] }: Record<string, Resource[] | undefined>): void {
    for (const { resource, scopeSpans = [] } of resourceSpans)
      for (const { spans } of scopeSpans)
        for (const span of spans)
          this.spans.push({ ...span, service: serviceOf(resource), attributes: attributesOf(span.attributes) });
    for (const { resource, scopeMetrics = [] } of resourceMetrics)
      for (const { metrics } of scopeMetrics)
        for (const metric of metrics) for (const point of pointsOf(metric, resource)) this.#keep(point);
  }
}

function pointsOf({ name, unit = '', sum, gauge, histogram }: Metric, resource: Resource['resource']): ReceivedPoint[] {
  const instance = String(attributesOf(resource.attributes)['service.instance.id'] ?? '');
  const kind = histogram ? 'histogram' : gauge ? 'gauge' : sum?.isMonotonic ? 'counter' : 'sum';
  return ((sum ?? gauge ?? histogram)?.dataPoints ?? []).map((point) => ({
    service: serviceOf(resource),
    instance,
    metric: name,
    kind,
    unit,
    attributes: attributesOf(point.attributes),
    value: Number(point.count ?? point.asDouble ?? point.asInt ?? 0),
  }));
}

const serviceOf = (resource: Resource['resource']): string =>
  String(attributesOf(resource.attributes)['service.name'] ?? '');

const attributesOf = (list: KeyValue[] = []): Attributes =>
  Object.fromEntries(
    list.map(({ key, value }) => [
      key,
      value.stringValue ??
        value.boolValue ??
        value.doubleValue ??
        (value.intValue === undefined ? undefined : Number(value.intValue)),
    ]),
  );
