import { Closed, Type } from '../../schema.js';
import * as views from '../views.js';
import { RUN, route, run, type ApiRoute } from '../route.js';

/** The versions of a plan. */
export const planRoutes = [
  route({
    id: 'getPlan',
    method: 'GET',
    path: `${run}/plan`,
    scope: 'run',
    summary: 'A version of the plan, the latest by default',
    query: Closed({ version: Type.Optional(Type.String({ pattern: '^[1-9][0-9]{0,5}$' })) }),
    etag: true,
    response: { status: 200, schema: views.PlanView },
    problems: [...RUN, 'plan_not_found', 'invalid_query'],
  }),
  route({
    id: 'listPlanVersions',
    method: 'GET',
    path: `${run}/plan/versions`,
    scope: 'run',
    summary: 'All versions of the plan and why they exist',
    response: { status: 200, schema: views.PlanVersions },
    problems: RUN,
  }),
  route({
    id: 'diffPlans',
    method: 'GET',
    path: `${run}/plan/diff`,
    scope: 'run',
    summary: 'What changed between two versions',
    query: Closed({
      from: Type.Optional(Type.String({ pattern: '^[1-9][0-9]{0,5}$' })),
      to: Type.Optional(Type.String({ pattern: '^[1-9][0-9]{0,5}$' })),
    }),
    response: { status: 200, schema: views.PlanDiffView },
    problems: [...RUN, 'plan_not_found', 'invalid_query'],
  }),
] as const satisfies readonly ApiRoute[];
