import { Frame, isAfter, issuesOf, parseFrameId } from '@flex/contracts';
import type { FlexHttp, RunStream } from './flex-http.js';

/** Fails unless `wanted` are in `types`, in this order; others may stand between them. */
export function inOrder(types: readonly string[], wanted: readonly string[]): void {
  let at = 0;
  for (const type of types) if (type === wanted[at]) at += 1;
  if (at < wanted.length) {
    throw new Error(
      `${wanted[at]} is missing after ${wanted.slice(0, at).join(', ') || 'the start'}; came: ${types.join(', ')}`,
    );
  }
}

/** What holds for the frames of any run: shape, one run and correlation, ids that ascend, one start, at most one end. */
export function wellFormed(stream: RunStream): void {
  const { wire } = stream;
  const [first] = wire;
  if (!first) throw new Error('no frames came');
  wire.forEach(({ event, id, data }, index) => {
    const where = `frame ${index} (${data.type}, id ${data.id})`;
    const issues = issuesOf(Frame, data);
    if (issues.length > 0)
      throw new Error(`${where}: ${issues.map((issue) => `${issue.pointer} ${issue.message}`).join('; ')}`);
    if (event !== data.type) throw new Error(`${where}: the SSE event is ${event}`);
    if (id !== data.id) throw new Error(`${where}: the SSE id is ${id}`);
    if (data.runId !== first.data.runId) throw new Error(`${where}: belongs to run ${data.runId}`);
    if (data.correlationId !== first.data.correlationId)
      throw new Error(`${where}: has correlation ${data.correlationId}`);
    const before = wire[index - 1];
    if (before && !isAfter(parseFrameId(data.id)!, parseFrameId(before.data.id)!)) {
      throw new Error(`${where}: does not follow ${before.data.id}`);
    }
    if (data.type === 'start' && index > 0) throw new Error(`${where}: a second start`);
    if (data.type === 'complete' && index < wire.length - 1) throw new Error(`${where}: not the last frame`);
  });
}

/**
 * Reconnecting at every frame, after the run has ended, gives exactly the rest: with a client that is not the one that
 * saw them first.
 */
export async function resumesExactly(http: FlexHttp, stream: RunStream): Promise<void> {
  const ids = stream.frames.map((frame) => frame.id);
  for (let cut = 0; cut < ids.length - 1; cut += 1) {
    const rest = http.follow(stream.frames[0]!.runId, ids[cut]);
    await rest.completed();
    const got = rest.frames.map((frame) => frame.id).join(' ');
    const wanted = ids.slice(cut + 1).join(' ');
    if (got !== wanted) throw new Error(`resumed after frame ${cut} (${ids[cut]}): got ${got}, wanted ${wanted}`);
  }
}
