/**
 * `console`: serves the operator's page, its data and the monitor API under one origin:
 * GET / and /assets/, /api/console/, /api/system/email-monitor/{status,start,stop,poll-now}, /api/openapi.json.
 * Invariant: a page of another site can neither read nor change anything.
 */

import { assertNotForeign, assertOwnPage } from '../console/api/csrf.ts';
import { toProblemPage } from '../console/api/problem-page.ts';
import { DATA_PATH, findDataRoute } from '../console/api/routes.ts';
import type { AppContext } from '../shared/control/app-context.ts';
import { AppError } from '../shared/errors.ts';
import {
  type HttpRequest,
  type HttpResponse,
  handleRequest,
  json,
  problem,
  type Route,
} from '../shared/http.ts';
import type { Log } from '../shared/log.ts';

/** The first pattern that matches the path selects the route, which checks its own methods. */
const ROUTES: readonly (readonly [RegExp, (context: AppContext) => Promise<Route>])[] = [
  [/^\/$/, async () => (await import('../console/api/page-routes.ts')).createPageRoute()],
  [/^\/assets\/[^/]+$/, async () => (await import('../console/api/page-routes.ts')).createAssetRoute()],
  [/^\/api\/openapi\.json$/, createOpenApiRoute],
  [verb('status'), async (context) => (await import('./status.ts')).createRoute(context)],
  [verb('start'), async (context) => (await import('./start.ts')).createRoute(context)],
  [verb('stop'), async (context) => (await import('./stop.ts')).createRoute(context)],
  [verb('poll-now'), async (context) => (await import('./poll-now.ts')).createRoute(context)],
];

/** Security headers of every response. */
const SECURITY_HEADERS = {
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

export function createRoute(context: AppContext): Route {
  const routes = new Map<RegExp, Promise<Route>>();
  const find = async (path: string): Promise<Route | null> => {
    const entry = ROUTES.find(([pattern]) => pattern.test(path));
    if (entry === undefined) return findDataRoute(path, context);
    const [pattern, load] = entry;
    const route = routes.get(pattern) ?? load(context);
    routes.set(pattern, route);
    return await route;
  };
  const respond = async (received: HttpRequest, log: Log): Promise<HttpResponse> => {
    const request = withOverriddenMethod(received);
    const route = await find(request.path);
    if (route === null) return problem(new AppError('not_found', 'No resource exists at this path.'));
    return await handleRequest(withCsrfCheck(route), request, { log, projectId: context.config.projectId });
  };
  return {
    methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'],
    handle: async (request, log) => {
      const response = toProblemPage(request, await respond(request, log));
      return { ...response, headers: { ...response.headers, ...SECURITY_HEADERS } };
    },
  };
}

function withCsrfCheck({ methods, handle }: Route): Route {
  return {
    methods,
    handle: async (request, log) => {
      if (request.path.startsWith(DATA_PATH)) assertOwnPage(request);
      else if (request.path.startsWith('/api/')) assertNotForeign(request);
      return await handle(request, log);
    },
  };
}

/**
 * Over plain HTTP at a name that is not loopback, a browser sends neither Sec-Fetch-Site nor Origin with a GET, but sends Origin
 * with a POST. The page therefore reads by POST there and asks for GET in this header.
 */
function withOverriddenMethod(request: HttpRequest): HttpRequest {
  const isRead = request.method === 'POST' && request.headers['x-http-method-override'] === 'GET';
  return isRead && request.path.startsWith(DATA_PATH) ? { ...request, method: 'GET' } : request;
}

/** The OpenAPI 3.1 document. It is loaded at its first request, because it loads zod. */
async function createOpenApiRoute(): Promise<Route> {
  const { openApiDocument } = await import('../shared/schemas/openapi.ts');
  return { methods: ['GET', 'HEAD'], handle: async () => json<object>(200, openApiDocument()) };
}

function verb(name: string): RegExp {
  return new RegExp(`^/api/system/email-monitor/${name}/?$`);
}
