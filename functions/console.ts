/**
 * `console`: the operator's page, its data, and the four verbs, under one origin:
 * GET / and /assets/, /api/console/, /api/system/email-monitor/{status,start,stop,poll-now}.
 */
import { AppError } from '../shared/errors.ts';
import { answer, problem, type Route } from '../shared/http.ts';
import type { FunctionContext } from './context.ts';

/** Where each part stands; the first that fits is asked, and checks its own methods. */
const PLACES: readonly (readonly [RegExp, (context: FunctionContext) => Promise<Route>])[] = [
  [/^\/$/, async () => (await import('./console/page.ts')).createPageRoute()],
  [/^\/assets\/[^/]+$/, async () => (await import('./console/page.ts')).createAssetRoute()],
  [verb('status'), async (context) => (await import('./status.ts')).createRoute(context)],
  [verb('start'), async (context) => (await import('./start.ts')).createRoute(context)],
  [verb('stop'), async (context) => (await import('./stop.ts')).createRoute(context)],
  [verb('poll-now'), async (context) => (await import('./poll-now.ts')).createRoute(context)],
];

export function createRoute(context: FunctionContext): Route {
  const routes = new Map<RegExp, Promise<Route>>();
  return {
    methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'],
    handle: async (request, log) => {
      const place = PLACES.find(([form]) => form.test(request.path));
      if (place === undefined) return problem(new AppError('not_found', 'There is nothing at this path.'));
      const [form, load] = place;
      const route = routes.get(form) ?? load(context);
      routes.set(form, route);
      return await answer(await route, request, { log, projectId: context.config.projectId });
    },
  };
}

function verb(name: string): RegExp {
  return new RegExp(`^/api/system/email-monitor/${name}/?$`);
}
