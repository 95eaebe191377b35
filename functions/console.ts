/**
 * `console`: the four verbs under one origin, as the owner's note names them:
 * /api/system/email-monitor/{status,start,stop,poll-now}.
 */
import { AppError } from '../shared/errors.ts';
import { answer, type HttpRequest, problem, type Route } from '../shared/http.ts';
import type { FunctionContext } from './context.ts';

const BASE = '/api/system/email-monitor/';

const VERBS = {
  status: async () => await import('./status.ts'),
  start: async () => await import('./start.ts'),
  stop: async () => await import('./stop.ts'),
  'poll-now': async () => await import('./poll-now.ts'),
};

export function createRoute(context: FunctionContext): Route {
  const routes = new Map<string, Promise<Route>>();
  return {
    // The verbs check their own methods.
    methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'],
    handle: async (request, log) => {
      const verb = verbOf(request);
      if (verb === null)
        return problem(new AppError('not_found', `There is nothing at ${BASE.slice(0, -1)} but its verbs.`));
      const route = routes.get(verb) ?? VERBS[verb]().then((module) => module.createRoute(context));
      routes.set(verb, route);
      return await answer(await route, request, { log, projectId: context.config.projectId });
    },
  };
}

function verbOf(request: HttpRequest): keyof typeof VERBS | null {
  if (!request.path.startsWith(BASE)) return null;
  const name = request.path.slice(BASE.length).replace(/\/$/, '');
  return Object.hasOwn(VERBS, name) ? (name as keyof typeof VERBS) : null;
}
