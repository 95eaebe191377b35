/**
 * `console`: serves the operator's page, its data and the monitor API under one origin:
 * GET /, /emails/ID and /assets/, /api/console/, /api/system/email-monitor/{status,start,stop,poll-now}, /api/openapi.json.
 * Invariant: a page of another site can neither read nor change anything. Behind Identity-Aware Proxy, a request without its
 * assertion gets nothing, whatever its path.
 */

import { assertNotForeign, assertOwnPage } from '../console/api/csrf.ts';
import { toProblemPage } from '../console/api/problem-page.ts';
import { DATA_PATH, findDataRoute } from '../console/api/routes.ts';
import { callerOf } from '../shared/caller.ts';
import type { AppContext } from '../shared/control/app-context.ts';
import { AppError } from '../shared/errors.ts';
import { type HttpRequest, handleRequest, json, problem, type Route } from '../shared/http.ts';
import { createAssertionVerifier, IAP_HEADER } from '../shared/iap.ts';

/** The first pattern that matches the path selects the route, which checks its own methods. */
const ROUTES: readonly (readonly [RegExp, (context: AppContext) => Promise<Route>])[] = [
  // The page itself shows the email of the id, or says that there is none.
  [
    /^\/(emails\/[1-9]\d{0,14})?$/,
    async () => (await import('../console/api/page-routes.ts')).createPageRoute(),
  ],
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
  const { iapAudience, iapKeysUrl, cloudRunService, projectId } = context.config;
  const verifyAssertion =
    iapAudience === null ? null : createAssertionVerifier({ audience: iapAudience, keysUrl: iapKeysUrl });
  const identified: Route = {
    methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'],
    handle: async (received, log) => {
      const account =
        verifyAssertion === null
          ? callerOf(received, cloudRunService !== null)
          : await verifyAssertion(received.headers[IAP_HEADER]);
      const request = { ...withOverriddenMethod(received), account };
      const route = await find(request.path);
      if (route === null) return problem(new AppError('not_found', 'No resource exists at this path.'));
      return await handleRequest(withCsrfCheck(route), request, { log, projectId });
    },
  };
  return {
    methods: identified.methods,
    handle: async (request, log) => {
      const response = toProblemPage(request, await handleRequest(identified, request, { log, projectId }));
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
function withOverriddenMethod({ method, path, query, headers, body }: HttpRequest): HttpRequest {
  const isRead =
    method === 'POST' && headers['x-http-method-override'] === 'GET' && path.startsWith(DATA_PATH);
  // Member by member: those of an Express request are getters of its prototype, which a spread leaves out.
  return { method: isRead ? 'GET' : method, path, query, headers, body };
}

/** The OpenAPI 3.1 document. It is loaded at its first request, because it loads zod. */
async function createOpenApiRoute(): Promise<Route> {
  const { openApiDocument } = await import('../shared/schemas/openapi.ts');
  return { methods: ['GET', 'HEAD'], handle: async () => json<object>(200, openApiDocument()) };
}

function verb(name: string): RegExp {
  return new RegExp(`^/api/system/email-monitor/${name}/?$`);
}
