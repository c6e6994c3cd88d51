import { timestampOf } from './timestamp.js';

describe('a time as text', () => {
  it('is RFC 3339, whatever was computed', () => {
    expect(timestampOf(0)).toBe('1970-01-01T00:00:00.000Z');
    expect(timestampOf(1_700_000_000_123.4)).toBe('2023-11-14T22:13:20.123Z');
    expect(timestampOf(1e300)).toBe('+275760-09-13T00:00:00.000Z');
    expect(timestampOf(Number.NaN)).toBe('1970-01-01T00:00:00.000Z');
  });
});
