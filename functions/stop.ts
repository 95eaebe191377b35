/**
 * `stop`: clears the `is_running` flag, pauses the scheduler job and ends the watch. POST; may be called again. Answers like
 * `status`. Hints of pushes are still stored, and what arrives meanwhile is fetched after `start`.
 */
import { json, type Route } from '../shared/http.ts';
import { readStatus } from '../shared/monitor/status.ts';
import { stopMonitor } from '../shared/monitor/switch.ts';
import type { FunctionContext } from './context.ts';
import { releaseMailbox } from './mailbox-control.ts';
import { createMonitor } from './monitor.ts';

export function createRoute(context: FunctionContext): Route {
  const monitor = createMonitor(context);
  return {
    methods: ['POST'],
    handle: async (_request, log) => {
      await stopMonitor({ ...monitor, log });
      await releaseMailbox({ ...context, log });
      return json(200, await readStatus(monitor));
    },
  };
}
