/**
 * `stop`: turns the monitor off, pauses its scheduler job and ends the push watch. POST; may be called again. Answers like `status`.
 * Pushes are still recorded, and everything that arrives meanwhile is caught up after `start`.
 */
import { json, type Route } from '../shared/http.ts';
import { readStatus } from '../shared/control/status.ts';
import { stopMonitor } from '../shared/control/running-flag.ts';
import type { Status } from '../shared/schemas/status.ts';
import type { FunctionContext } from './context.ts';
import { createMonitor } from './monitor.ts';
import { switchPush } from './push-switch.ts';

export function createRoute(context: FunctionContext): Route {
  const monitor = createMonitor(context);
  return {
    methods: ['POST'],
    handle: async (_request, log) => {
      const isRunning = await stopMonitor({ ...monitor, log });
      await switchPush({ ...context, log }, isRunning);
      return json<Status>(200, await readStatus(monitor));
    },
  };
}
