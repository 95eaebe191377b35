/**
 * `start`: sets the `is_running` flag, resumes the scheduler job, identifies the mailbox and registers its watch.
 *
 * POST; may be called again. `?new_mailbox=ADDRESS` or `?renamed_from=ADDRESS` confirms an account that the database does
 * not know. Returns the same as `status`; 400 for an invalid confirmation or an unknown parameter, 409 without credentials.
 */

import type { AppContext } from '../shared/control/app-context.ts';
import { createMonitor } from '../shared/control/monitor.ts';
import { startMonitor } from '../shared/control/running-flag.ts';
import { readStatus } from '../shared/control/status/status-response.ts';
import { assertParameters, json, type Route } from '../shared/http.ts';
import { parseConfirmation } from '../shared/mailbox-confirmation.ts';
import type { Status } from '../shared/schemas/status.ts';
import { confirmMailbox, prepareOrRelease } from './runtime/mailbox-control.ts';

export function createRoute(context: AppContext): Route {
  const monitor = createMonitor(context);
  return {
    methods: ['POST'],
    handle: async (request, log) => {
      assertParameters(request, 'start', ['new_mailbox', 'renamed_from']);
      const confirmation = parseConfirmation(request.query);
      if (confirmation !== null) await confirmMailbox({ ...context, log }, confirmation);
      // False when a concurrent stop came later.
      const isRunning = await startMonitor({ ...monitor, log });
      await prepareOrRelease({ ...context, log }, isRunning);
      return json<Status>(200, await readStatus(monitor));
    },
  };
}
