/** A function that is loaded at its first use, and made anew with new credentials. */
import type { Config } from '../../shared/config.ts';
import type { AppContext } from '../../shared/control/app-context.ts';
import { answer, type HttpAnswer, type HttpRequest, type Route } from '../../shared/http.ts';

/** Loads the module of a function. */
export type Load = () => Promise<{ readonly createRoute: (context: AppContext) => Route }>;

export interface LazyFunction {
  /** Loads what the function needs, ahead of the first request. */
  load(): Promise<void>;
  handle(request: HttpRequest): Promise<HttpAnswer>;
}

export function createLazyFunction(load: Load, context: AppContext): LazyFunction {
  let made: { readonly config: Config; readonly route: Promise<Route> } | null = null;
  const route = async (config: Config) => {
    // What keeps state (access tokens) lives as long as its configuration.
    if (made === null || made.config !== config) {
      const current = { ...context, config };
      made = { config, route: load().then((module) => module.createRoute(current)) };
    }
    return await made.route;
  };
  return {
    load: async () => {
      await route(context.config);
    },
    handle: async (request) =>
      await answer(await route(await context.currentConfig()), request, {
        log: context.log,
        projectId: context.config.projectId,
      }),
  };
}
