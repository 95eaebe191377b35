/**
 * `migrate`: migrates the database to the schema of the deployed code, and grants each function's account its tables.
 * A function that finds an older schema or other grants calls it, so a deployment needs no further step.
 *
 * POST, body ignored. 200 `{applied, granted}`: the migrations that this call applied, and the parts whose accounts were
 * granted their tables. 503 `migration_running` with Retry-After while another call migrates. May be called again, even while
 * the other functions run, and continues after an interruption.
 */

import type { AppContext } from '../shared/control/app-context.ts';
import { migrate } from '../shared/db/schema/migrations.ts';
import { labelOf } from '../shared/db-accounts.ts';
import { json, type Route } from '../shared/http.ts';
import type { MigrateAnswer } from '../shared/schemas/migrate.ts';

export function createRoute({ config }: AppContext): Route {
  return {
    methods: ['POST'],
    handle: async (_request, log) => {
      const applied = await migrate(config.database, config.databaseAccounts);
      const granted = config.databaseAccounts.map(labelOf);
      log.info(
        'migrated',
        applied.length === 0 ? 'The schema is up to date' : `Applied ${applied.join(', ')}`,
        {
          applied_count: applied.length,
          granted_count: granted.length,
        },
      );
      return json<MigrateAnswer>(200, { applied, granted });
    },
  };
}
