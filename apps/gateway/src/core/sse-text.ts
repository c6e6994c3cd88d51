import type { Frame, FrameCursor, FrameType } from '@flex/contracts';

/** A frame as it goes over the wire, encoded once for everybody who watches the run. */
export interface EncodedFrame extends FrameCursor {
  type: FrameType;
  bytes: Uint8Array;
}

/** `index`: which of its event's frames it is. */
export function encodeFrame(frame: Frame, seq: number, index: number): EncodedFrame {
  const text = `id: ${frame.id}\nevent: ${frame.type}\ndata: ${JSON.stringify(frame)}\n\n`;
  return { seq, index, type: frame.type, bytes: Buffer.from(text) };
}

/** What a stream says about itself: without an id, so that the reader's cursor stays where it is. */
export const controlFrame = (type: 'snapshot' | 'resync', data: unknown): Uint8Array =>
  Buffer.from(`event: ${type}\ndata: ${JSON.stringify(data)}\n\n`);

/** Greeting: how long a client waits before it reconnects. */
export const greeting = (retryMs: number): Uint8Array => Buffer.from(`retry: ${retryMs}\n\n`);
export const HEARTBEAT: Uint8Array = Buffer.from(':\n\n');
