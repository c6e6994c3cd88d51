import { issuesOf, routes, runCatalogue, type RunEventType } from '@flex/contracts';
import { eventValidators, type WarmUpJob } from '@flex/events/service';
import { rehearseEnvelope } from '@flex/planning';

/** Envelopes are judged by the planning library, not by the schema of their route. */
const ENVELOPES = ['createRun', 'streamRun', 'validateRun'];

/** The validators of all that the gateway takes in and shows: about a second of one core. */
export const gatewayWarmUp: WarmUpJob[] = [
  rehearseEnvelope,
  ...eventValidators(Object.keys(runCatalogue) as RunEventType[]),
  ...routes.flatMap((route) =>
    'body' in route && !ENVELOPES.includes(route.id) ? [() => issuesOf(route.body, {})] : [],
  ),
];
