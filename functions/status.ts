/**
 * `status`: the state of the monitor and its mailboxes, with errors and advice. Changes nothing.
 *
 * GET. `?mailbox=ADDRESS` answers for this mailbox only. 404 for an unknown address, 400 for an unknown parameter. 503 only when
 * the database does not answer.
 */

import type { AppContext } from '../shared/control/app-context.ts';
import { createMonitor } from '../shared/control/monitor.ts';
import { readStatus } from '../shared/control/status/status-response.ts';
import { assertParameters, json, type Route } from '../shared/http.ts';
import { mailboxParameter } from '../shared/mailbox-confirmation.ts';
import type { Status } from '../shared/schemas/status.ts';

export function createRoute(context: AppContext): Route {
  const monitor = createMonitor(context);
  return {
    methods: ['GET', 'HEAD'],
    handle: async (request) => {
      assertParameters(request, 'status', ['mailbox']);
      return json<Status>(200, await readStatus(monitor, mailboxParameter(request.query)));
    },
  };
}
