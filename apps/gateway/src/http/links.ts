import { API_PREFIX, type Accepted } from '@flex/contracts';

export const runPath = (runId: string): string => `${API_PREFIX}/runs/${runId}`;

export const acceptedRun = (runId: string, status: string): Accepted => ({
  runId,
  status,
  links: {
    self: runPath(runId),
    stream: `${runPath(runId)}/stream`,
    plan: `${runPath(runId)}/plan`,
    events: `${runPath(runId)}/events`,
  },
});
