/**
 * `status`: what runs, how far it is, what is wrong and what to do. GET. Reads only; answers 503 only when the
 * database is away.
 */

import type { AppContext } from '../shared/control/app-context.ts';
import { createMonitor } from '../shared/control/monitor.ts';
import { readStatus } from '../shared/control/status.ts';
import { json, type Route } from '../shared/http.ts';
import type { Status } from '../shared/schemas/status.ts';

export function createRoute(context: AppContext): Route {
  const monitor = createMonitor(context);
  return {
    methods: ['GET', 'HEAD'],
    handle: async () => {
      return json<Status>(200, await readStatus(monitor));
    },
  };
}
