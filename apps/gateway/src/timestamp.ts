/** RFC 3339 of a time in milliseconds; a conversion, no clock. */
export const timestampOf = (ms: number): string => new Date(ms).toISOString();
