/** The deployed functions by their targets. Each is loaded at its first use, with what it alone needs. */
import type { Config } from '../shared/config.ts';
import { answer, type HttpAnswer, type HttpRequest, type Route } from '../shared/http.ts';
import type { FunctionContext } from './context.ts';

const FUNCTIONS = {
  poll: async () => await import('./poll.ts'),
  gmailPush: async () => await import('./gmail-push.ts'),
  status: async () => await import('./status.ts'),
  start: async () => await import('./start.ts'),
  stop: async () => await import('./stop.ts'),
  pollNow: async () => await import('./poll-now.ts'),
  console: async () => await import('./console.ts'),
  migrate: async () => await import('./migrate.ts'),
};

export type Target = keyof typeof FUNCTIONS;
export const TARGETS = Object.keys(FUNCTIONS) as readonly Target[];

export interface LoadedFunction {
  /** Loads what the function needs, ahead of the first request. */
  load(): Promise<void>;
  handle(request: HttpRequest): Promise<HttpAnswer>;
}

export function createFunction(target: Target, context: FunctionContext): LoadedFunction {
  let made: { readonly config: Config; readonly route: Promise<Route> } | null = null;
  const route = async (config: Config) => {
    // What keeps state (access tokens) lives as long as its configuration.
    if (made === null || made.config !== config) {
      const current = { ...context, config };
      made = { config, route: FUNCTIONS[target]().then((module) => module.createRoute(current)) };
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
