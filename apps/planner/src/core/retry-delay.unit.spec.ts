import { parseRetryAfter } from '../retry-after-header.js';
import { canRevise, diagnosticsOf } from './model-failure.js';
import { priced } from './model-usage.js';
import { retryDelay } from './retry-delay.js';

const limits = { maxRetries: 3, baseMs: 100, maxMs: 1000 };

describe('the delay before a retry', () => {
  it('doubles, is bounded and jittered', () => {
    expect(retryDelay(0, undefined, 60_000, limits, 0.5)).toBe(100);
    expect(retryDelay(2, undefined, 60_000, limits, 0.5)).toBe(400);
    expect(retryDelay(0, undefined, 60_000, limits, 0)).toBe(75);
    expect(retryDelay(9, undefined, 60_000, { ...limits, maxRetries: 10 }, 0.5)).toBe(1000);
  });
  it('is never shorter than what the server asks for', () => {
    expect(retryDelay(0, 5_000, 60_000, limits, 0.5)).toBe(5_000);
  });
  it('is none when retries are used up or the time that is left is too short', () => {
    expect(retryDelay(3, undefined, 60_000, limits, 0.5)).toBeUndefined();
    expect(retryDelay(0, 90_000, 60_000, limits, 0.5)).toBeUndefined();
  });
});

describe('Retry-After', () => {
  const now = Date.parse('2026-01-01T00:00:00Z');
  it.each([
    [{ 'retry-after': '2' }, 2000],
    [{ 'retry-after-ms': '150', 'retry-after': '2' }, 150],
    [{ 'retry-after': 'Thu, 01 Jan 2026 00:00:05 GMT' }, 5000],
    [{ 'retry-after': 'Thu, 01 Jan 2015 00:00:05 GMT' }, 0],
    [{ 'retry-after': 'soon' }, undefined],
    [{}, undefined],
  ])('%j is %s ms', (headers, expected) => {
    expect(parseRetryAfter(new Headers(headers as Record<string, string>), now)).toBe(expected);
  });
});

describe('a failure of the model', () => {
  it('is an error to revise when the answer was wrong, a warning when the deterministic draft stands in', () => {
    expect(canRevise({ kind: 'malformed', message: 'x' })).toBe(true);
    expect(canRevise({ kind: 'refused', message: 'x' })).toBe(false);
    expect(diagnosticsOf({ kind: 'truncated', message: 'cut at 100 tokens' })).toMatchObject([
      { code: 'DRAFT_MALFORMED', severity: 'error', suggestion: expect.stringContaining('fewer nodes') },
    ]);
    expect(diagnosticsOf({ kind: 'refused', message: 'The model refused: no' })).toMatchObject([
      {
        code: 'PLANNER_REFUSED',
        severity: 'warning',
        message: 'The model refused: no; the deterministic draft stands in',
      },
    ]);
    expect(diagnosticsOf({ kind: 'unavailable', message: 'late' })).toMatchObject([{ code: 'PLANNER_UNAVAILABLE' }]);
  });
});

describe('usage', () => {
  it('is priced per million tokens, and has no cost when no prices are known', () => {
    const usage = { inputTokens: 2000, outputTokens: 500 };
    expect(priced(usage, 'm', { inputPerMillion: 2, outputPerMillion: 8 })).toEqual({
      ...usage,
      model: 'm',
      cost: 0.008,
    });
    expect(priced(usage, 'm', { inputPerMillion: 0, outputPerMillion: 0 })).toEqual({ ...usage, model: 'm' });
  });
});
