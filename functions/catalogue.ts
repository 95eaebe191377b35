/** The deployed functions by their targets. Each is loaded at its first use, with what it alone needs. */
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
};

export type Target = keyof typeof FUNCTIONS;
export const TARGETS = Object.keys(FUNCTIONS) as readonly Target[];

export interface LoadedFunction {
  /** Loads what the function needs, ahead of the first request. */
  load(): Promise<void>;
  handle(request: HttpRequest): Promise<HttpAnswer>;
}

export function createFunction(target: Target, context: FunctionContext): LoadedFunction {
  let loading: Promise<Route> | null = null;
  const route = async () => {
    loading ??= FUNCTIONS[target]().then((module) => module.createRoute(context));
    return await loading;
  };
  return {
    load: async () => {
      await route();
    },
    handle: async (request) =>
      await answer(await route(), request, { log: context.log, projectId: context.config.projectId }),
  };
}
