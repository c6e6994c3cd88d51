import { Open, Type } from '../schema.js';
import { event } from './define.js';

/** Events of stream FLEX that belong to a thread of runs and to no run; subject `thread.claimed.<thread>`. */
export const threadEvents = {
  'thread.claimed': event({
    version: 1,
    by: 'gateway',
    meaning:
      'A run is about to be submitted as the next of its thread: it alone may be, until the thread is claimed again. The log keeps the last claim of each thread, for half a day.',
    data: Open({
      runId: Type.String(),
      /** The runs of the thread that were open before it. */
      open: Type.Array(Type.String()),
    }),
  }),
} as const;
