/**
 * `console`: the operator's page, its data, and the four verbs, under one origin:
 * GET / and /assets/, /api/console/, /api/system/email-monitor/{status,start,stop,poll-now}, /api/openapi.json.
 * Invariant: another site's page can neither change anything nor search.
 */

import { assertSameSite } from '../console/api/csrf.ts';
import { findDataRoute } from '../console/api/routes.ts';
import type { AppContext } from '../shared/control/app-context.ts';
import { AppError } from '../shared/errors.ts';
import { answer, type HttpAnswer, type HttpRequest, problem, type Route } from '../shared/http.ts';
import type { Log } from '../shared/log.ts';

/** Where each part stands; the first that fits is asked, and checks its own methods. */
const PLACES: readonly (readonly [RegExp, (context: AppContext) => Promise<Route>])[] = [
  [/^\/$/, async () => (await import('../console/api/page-routes.ts')).createPageRoute()],
  [/^\/assets\/[^/]+$/, async () => (await import('../console/api/page-routes.ts')).createAssetRoute()],
  [/^\/api\/openapi\.json$/, async () => (await import('../console/api/openapi.ts')).createOpenApiRoute()],
  [verb('status'), async (context) => (await import('./status.ts')).createRoute(context)],
  [verb('start'), async (context) => (await import('./start.ts')).createRoute(context)],
  [verb('stop'), async (context) => (await import('./stop.ts')).createRoute(context)],
  [verb('poll-now'), async (context) => (await import('./poll-now.ts')).createRoute(context)],
];

/** Of every answer: nothing is guessed from its bytes, no address of ours is told, no other window or site reaches in. */
const GUARDS = {
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

export function createRoute(context: AppContext): Route {
  const routes = new Map<RegExp, Promise<Route>>();
  const find = async (path: string): Promise<Route | null> => {
    const place = PLACES.find(([form]) => form.test(path));
    if (place === undefined) return findDataRoute(path, context);
    const [form, load] = place;
    const route = routes.get(form) ?? load(context);
    routes.set(form, route);
    return await route;
  };
  const respond = async (request: HttpRequest, log: Log): Promise<HttpAnswer> => {
    const route = await find(request.path);
    if (route === null) return problem(new AppError('not_found', 'There is nothing at this path.'));
    return await answer(guarded(route), request, { log, projectId: context.config.projectId });
  };
  return {
    methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'],
    handle: async (request, log) => {
      const given = await respond(request, log);
      return { ...given, headers: { ...given.headers, ...GUARDS } };
    },
  };
}

function guarded({ methods, handle }: Route): Route {
  return {
    methods,
    handle: async (request, log) => {
      if (request.method !== 'GET' && request.method !== 'HEAD') assertSameSite(request);
      return await handle(request, log);
    },
  };
}

function verb(name: string): RegExp {
  return new RegExp(`^/api/system/email-monitor/${name}/?$`);
}
