import { createParser } from 'eventsource-parser';
import type { Frame } from '@flex/contracts';

export interface ReceivedFrame {
  id?: string;
  event?: string;
  data: Frame;
}

/** Reads an SSE response with an independent parser, until it ends or `until` says so. */
export async function readFrames(
  response: Response,
  until: (frame: ReceivedFrame) => boolean = () => false,
): Promise<ReceivedFrame[]> {
  const frames: ReceivedFrame[] = [];
  let done = false;
  const parser = createParser({
    onEvent: ({ id, event, data }) => {
      const frame = { id, event, data: JSON.parse(data) as Frame };
      frames.push(frame);
      if (until(frame)) done = true;
    },
  });
  if (!response.body) return frames;
  const decoder = new TextDecoder();
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    parser.feed(decoder.decode(chunk, { stream: true }));
    if (done) break;
  }
  return frames;
}
