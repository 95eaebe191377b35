/** A function whose module is loaded at first use, and whose route is rebuilt when the credentials change. */
import type { Config } from '../../shared/config.ts';
import type { AppContext } from '../../shared/control/app-context.ts';
import { type HttpRequest, type HttpResponse, handleRequest, type Route } from '../../shared/http.ts';

/** Loads the module of a function. */
export type Load = () => Promise<{ readonly createRoute: (context: AppContext) => Route }>;

export interface LazyFunction {
  /** Loads the module ahead of the first request. */
  load(): Promise<void>;
  handle(request: HttpRequest): Promise<HttpResponse>;
}

export function createLazyFunction(load: Load, context: AppContext): LazyFunction {
  let cached: { readonly config: Config; readonly route: Promise<Route> } | null = null;
  const routeFor = async (config: Config) => {
    // A route keeps state, such as access tokens, that is valid for one configuration.
    if (cached?.config !== config) {
      const current = { ...context, config };
      cached = { config, route: load().then((module) => module.createRoute(current)) };
    }
    return await cached.route;
  };
  return {
    load: async () => {
      await routeFor(context.config);
    },
    handle: async (request) => {
      const response = await handleRequest(await routeFor(await context.currentConfig()), request, {
        log: context.log,
        projectId: context.config.projectId,
      });
      return (await context.selfMigration?.complete(response)) ?? response;
    },
  };
}
