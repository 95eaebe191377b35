/**
 * `migrate`: brings the database to the schema of the deployed code and gives each function's account its tables.
 * Called by `npm run deploy`, from inside: nothing else has to reach the database.
 *
 * POST, body ignored. 200 `{applied, granted}`: the migrations that were applied now, and the parts whose accounts
 * were granted. May be called any number of times, also while the other functions work.
 */

import type { AppContext } from '../shared/control/app-context.ts';
import { migrate } from '../shared/db/schema/migrations.ts';
import { json, type Route } from '../shared/http.ts';
import type { MigrateAnswer } from '../shared/schemas/migrate.ts';

export function createRoute({ config }: AppContext): Route {
  return {
    methods: ['POST'],
    handle: async (_request, log) => {
      const applied = await migrate(config.database, config.databaseAccounts);
      const granted = config.databaseAccounts.map((account) => account.part);
      log.info('migrated', applied.length === 0 ? 'The schema is current' : `Applied ${applied.join(', ')}`, {
        applied_count: applied.length,
        granted_count: granted.length,
      });
      return json<MigrateAnswer>(200, { applied, granted });
    },
  };
}
