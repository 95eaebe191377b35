/**
 * `stop`: clears the `is_running` flag, pauses the scheduler job and ends the watch. Pushes that still arrive only store
 * their hint; mail that arrives while the monitor is stopped is fetched after `start`.
 *
 * POST; may be called again. Returns the same as `status`; 400 for a query parameter, because it has none.
 */

import type { AppContext } from '../shared/control/app-context.ts';
import { createMonitor } from '../shared/control/monitor.ts';
import { stopMonitor } from '../shared/control/running-flag.ts';
import { readStatus } from '../shared/control/status/status-response.ts';
import { assertParameters, json, type Route } from '../shared/http.ts';
import type { Status } from '../shared/schemas/status.ts';
import { prepareOrRelease } from './runtime/mailbox-control.ts';

export function createRoute(context: AppContext): Route {
  const monitor = createMonitor(context);
  return {
    methods: ['POST'],
    handle: async (request, log) => {
      assertParameters(request, 'stop', []);
      // True when a concurrent start came later; that call prepares the mailbox.
      const isRunning = await stopMonitor({ ...monitor, log });
      if (!isRunning) await prepareOrRelease({ ...context, log }, false);
      return json<Status>(200, await readStatus(monitor));
    },
  };
}
