/** A duration as people read it: 12 ms, 3.4 s, 2 m 05 s, 3 h 12 m. */
export function duration(ms: number): string {
  if (ms < 0 || !Number.isFinite(ms)) return '–';
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  const pad = (value: number): string => String(value).padStart(2, '0');
  if (seconds < 3600) return `${Math.floor(seconds / 60)} m ${pad(seconds % 60)} s`;
  const minutes = Math.floor(seconds / 60);
  return `${Math.floor(minutes / 60)} h ${pad(minutes % 60)} m`;
}

/** How long ago, or in how long: `3 m ago`, `in 20 s`. */
export function relative(time: number, now: number): string {
  const gap = Math.abs(now - time);
  const text =
    gap < 60_000
      ? `${Math.round(gap / 1000)} s`
      : gap < 3_600_000
        ? `${Math.round(gap / 60_000)} m`
        : gap < 172_800_000
          ? `${Math.round(gap / 3_600_000)} h`
          : `${Math.round(gap / 86_400_000)} d`;
  return time <= now ? `${text} ago` : `in ${text}`;
}
