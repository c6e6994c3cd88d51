import { readFileSync } from 'node:fs';

/** Of the kernel's accounting; the same on every Linux that matters. */
const TICKS_PER_SECOND = 100;

/** Seconds of CPU that a process, all that it started and all of those that have ended have used so far. */
export function cpuSecondsOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The name, in parentheses, may hold anything. utime, stime, and the same of children that have ended.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const own = [11, 12, 13, 14].reduce((sum, field) => sum + Number(fields[field]), 0) / TICKS_PER_SECOND;
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean);
  return children.reduce((sum, child) => sum + (alive(Number(child)) ?? 0), own);
}

/** Undefined when it has ended meanwhile: then its parent has counted it. */
function alive(pid: number): number | undefined {
  try {
    return cpuSecondsOf(pid);
  } catch {
    return undefined;
  }
}
