import type { DiagnosticCode, PlannerDiagnostic } from '@flex/contracts';

/** More findings than a planner or a person can use say no more. */
const MOST = 100;

type Details = Omit<PlannerDiagnostic, 'code' | 'severity' | 'message'>;

/** Collects the findings of one judgement: each once, in the order of the pipeline's stages, errors never crowded out. */
export class Findings {
  private readonly byKey = new Map<string, PlannerDiagnostic>();
  private errors = 0;

  error(code: DiagnosticCode, message: string, details: Details = {}): void {
    this.add({ code, severity: 'error', message, ...details });
  }

  warn(code: DiagnosticCode, message: string, details: Details = {}): void {
    this.add({ code, severity: 'warning', message, ...details });
  }

  inform(code: DiagnosticCode, message: string, details: Details = {}): void {
    this.add({ code, severity: 'info', message, ...details });
  }

  add(found: PlannerDiagnostic): void {
    const { code, nodeId, facet, capabilityId, pointer, constraintId, message } = found;
    const key = [code, nodeId, facet, capabilityId, pointer, constraintId, message].join('\u0000');
    if (this.byKey.has(key)) return;
    // Absent details are left out, so that equal findings are equal as JSON too.
    this.byKey.set(
      key,
      Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined)) as PlannerDiagnostic,
    );
    if (found.severity === 'error') this.errors++;
  }

  get failed(): boolean {
    return this.errors > 0;
  }

  /** Errors first, then warnings, then the rest; within these in the order found. */
  list(): PlannerDiagnostic[] {
    const ranks = { error: 0, warning: 1, info: 2 } as const;
    const all = [...this.byKey.values()].sort((a, b) => ranks[a.severity] - ranks[b.severity]);
    if (all.length <= MOST) return all;
    return [
      ...all.slice(0, MOST),
      { code: 'LIMIT_EXCEEDED', severity: 'info', message: `${all.length - MOST} further findings are not listed` },
    ];
  }
}
