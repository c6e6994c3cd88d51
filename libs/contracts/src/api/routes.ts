import type { ApiRoute } from './route.js';
import { capabilityRoutes } from './routes/capabilities.js';
import { facetRoutes } from './routes/facets.js';
import { planRoutes } from './routes/plans.js';
import { runRoutes } from './routes/runs.js';
import { steeringRoutes } from './routes/steering.js';
import { streamRoutes } from './routes/streams.js';
import { taskRoutes } from './routes/tasks.js';

/** The whole HTTP API, by resource. */
export const routes = [
  ...streamRoutes,
  ...runRoutes,
  ...planRoutes,
  ...steeringRoutes,
  ...taskRoutes,
  ...capabilityRoutes,
  ...facetRoutes,
] as const;

export type RouteId = (typeof routes)[number]['id'];
const byId = new Map<string, ApiRoute>(routes.map((definition) => [definition.id, definition]));
export const routeOf = (id: RouteId): ApiRoute => byId.get(id)!;
