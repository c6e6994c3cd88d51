import type { ReceivedPoint } from './otlp-collector.js';

/** Units as the collector's exporter spells them in names; others are appended as they are, those in braces dropped. */
const UNITS: Record<string, string> = { s: 'seconds', ms: 'milliseconds', By: 'bytes', '1': '' };

const spelt = (name: string): string => name.replaceAll(/[^A-Za-z0-9_]/g, '_').replaceAll(/_+/g, '_');

/**
 * What the collector's Prometheus exporter makes of points, by its documented rules: the names of series, each with the
 * labels that it is seen with and their values.
 */
export function prometheusSeries(points: Iterable<ReceivedPoint>): Map<string, Map<string, Set<string>>> {
  const series = new Map<string, Map<string, Set<string>>>();
  for (const point of points) {
    for (const name of namesOf(point)) {
      const labels = series.get(name) ?? new Map<string, Set<string>>();
      series.set(name, labels);
      const found: Record<string, unknown> = { ...point.attributes, job: point.service, instance: point.instance };
      if (name.endsWith('_bucket')) found['le'] = '+Inf';
      for (const [label, value] of Object.entries(found)) {
        if (value === undefined || value === '') continue;
        labels.set(spelt(label), (labels.get(spelt(label)) ?? new Set()).add(String(value)));
      }
    }
  }
  return series;
}

function namesOf({ metric, unit, kind }: ReceivedPoint): string[] {
  const suffix = unit.startsWith('{') ? '' : (UNITS[unit] ?? spelt(unit));
  const base = spelt(metric) + (suffix === '' || spelt(metric).endsWith(`_${suffix}`) ? '' : `_${suffix}`);
  if (kind === 'histogram') return ['_bucket', '_sum', '_count'].map((part) => base + part);
  return [kind === 'counter' ? `${base}_total` : kind === 'gauge' && unit === '1' ? `${base}_ratio` : base];
}

/** A metric that an expression asks for, with every label that it selects or groups by. */
export interface Asked {
  metric: string;
  /** Label -> the values it is compared with; empty when it is only grouped by or shown. */
  labels: Map<string, string[]>;
}

/** The metrics of an expression. `shown` are labels that a legend or a summary shows of the result. */
export function metricsAsked(expression: string, shown: readonly string[] = []): Asked[] {
  const grouped = [...expression.matchAll(/\bby\s*\(([^)]*)\)/g)].flatMap((match) => match[1]!.split(','));
  return [...expression.matchAll(/\b((?:flex|gen_ai|jetstream)_\w+)(?:\{([^}]*)\})?/g)]
    .filter((match) => !grouped.some((label) => label.trim() === match[1]))
    .map((match) => {
      const labels = new Map<string, string[]>([...grouped, ...shown].map((label) => [label.trim(), []]));
      for (const [, label, , value] of (match[2] ?? '').matchAll(/(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"/g))
        labels.set(label!, value!.split('|'));
      return { metric: match[1]!, labels };
    });
}
