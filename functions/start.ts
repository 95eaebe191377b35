/**
 * `start`: turns the monitor on, resumes its scheduler job and registers the push watch. POST; may be called again. Answers like `status`;
 * 409 without credentials.
 */
import { json, type Route } from '../shared/http.ts';
import { readStatus } from '../shared/control/status.ts';
import { startMonitor } from '../shared/control/running-flag.ts';
import type { Status } from '../shared/schemas/status.ts';
import type { FunctionContext } from './context.ts';
import { createMonitor } from './monitor.ts';
import { switchPush } from './push-switch.ts';

export function createRoute(context: FunctionContext): Route {
  const monitor = createMonitor(context);
  return {
    methods: ['POST'],
    handle: async (_request, log) => {
      const isRunning = await startMonitor({ ...monitor, log });
      await switchPush({ ...context, log }, isRunning);
      return json<Status>(200, await readStatus(monitor));
    },
  };
}
