import { context, isSpanContextValid, trace } from '@opentelemetry/api';
import type { Environment } from './configuration.js';

export interface Telemetry {
  readonly on: boolean;
  /** Sends what is still held back. */
  stop(): Promise<void>;
}

const SWITCHES = [
  'OTEL_EXPORTER_OTLP_ENDPOINT',
  'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT',
  'OTEL_EXPORTER_OTLP_METRICS_ENDPOINT',
];

let on = false;

/**
 * Starts OpenTelemetry when, and only when, an OTLP endpoint is configured by the standard variables. Until then only
 * its API is loaded, whose calls do nothing: telemetry that is off costs nothing.
 */
export async function startTelemetry(
  name: string,
  instance: string,
  env: Environment = process.env,
): Promise<Telemetry> {
  const wanted = SWITCHES.some((variable) => (env[variable] ?? '') !== '') && env['OTEL_SDK_DISABLED'] !== 'true';
  if (!wanted) return { on: false, stop: () => Promise.resolve() };
  const [{ NodeSDK }, { OTLPTraceExporter }, { OTLPMetricExporter }, { PeriodicExportingMetricReader }, resources] =
    await Promise.all([
      import('@opentelemetry/sdk-node'),
      import('@opentelemetry/exporter-trace-otlp-http'),
      import('@opentelemetry/exporter-metrics-otlp-http'),
      import('@opentelemetry/sdk-metrics'),
      import('@opentelemetry/resources'),
    ]);
  const sdk = new NodeSDK({
    resource: resources.resourceFromAttributes({
      'service.name': env['OTEL_SERVICE_NAME'] ?? `flex-${name}`,
      'service.namespace': 'flex',
      'service.instance.id': instance,
    }),
    // All that the SDK would ask but the one that makes up a name for the replica, in place of the one in its logs.
    resourceDetectors: [resources.envDetector, resources.processDetector, resources.hostDetector],
    ...(env['OTEL_TRACES_EXPORTER'] === 'none' ? { spanProcessors: [] } : { traceExporter: new OTLPTraceExporter() }),
    ...(env['OTEL_METRICS_EXPORTER'] === 'none'
      ? {}
      : { metricReaders: [new PeriodicExportingMetricReader({ exporter: new OTLPMetricExporter(), ...rhythm(env) })] }),
    instrumentations: [],
  });
  sdk.start();
  on = true;
  return {
    on: true,
    stop: async () => {
      on = false;
      // A collector that is away must not hold up the shutdown.
      await sdk.shutdown().catch(() => undefined);
    },
  };
}

/** How often metrics go out: the SDK reads these variables only for readers that it makes itself. */
function rhythm(env: Environment): { exportIntervalMillis: number; exportTimeoutMillis: number } {
  const exportIntervalMillis = Number(env['OTEL_METRIC_EXPORT_INTERVAL']) || 60_000;
  const exportTimeoutMillis = Number(env['OTEL_METRIC_EXPORT_TIMEOUT']) || 30_000;
  return { exportIntervalMillis, exportTimeoutMillis: Math.min(exportTimeoutMillis, exportIntervalMillis) };
}

/** Ids of the current span, which tie a log line to its trace. */
export function traceFields(): object {
  if (!on) return {};
  const span = trace.getSpanContext(context.active());
  return span && isSpanContextValid(span) ? { traceId: span.traceId, spanId: span.spanId } : {};
}
