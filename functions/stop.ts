/**
 * `stop`: clears the `is_running` flag, pauses the scheduler job and ends the watch. POST; may be called again. Answers like
 * `status`. Hints of pushes are still stored, and what arrives meanwhile is fetched after `start`.
 */

import type { AppContext } from '../shared/control/app-context.ts';
import { createMonitor } from '../shared/control/monitor.ts';
import { stopMonitor } from '../shared/control/running-flag.ts';
import { readStatus } from '../shared/control/status.ts';
import { json, type Route } from '../shared/http.ts';
import type { Status } from '../shared/schemas/status.ts';
import { prepareOrRelease } from './runtime/mailbox-control.ts';

export function createRoute(context: AppContext): Route {
  const monitor = createMonitor(context);
  return {
    methods: ['POST'],
    handle: async (_request, log) => {
      // True: a concurrent start was faster, and prepares the mailbox itself.
      const isRunning = await stopMonitor({ ...monitor, log });
      if (!isRunning) await prepareOrRelease({ ...context, log }, false);
      return json<Status>(200, await readStatus(monitor));
    },
  };
}
