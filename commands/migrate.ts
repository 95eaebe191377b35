/**
 * `npm run migrate`: brings the configured database to the schema of this code, and grants what DB_ACCOUNTS says. May
 * run any number of times. In a deployment the function `migrate` does it from inside.
 */
import { readConfig } from '../shared/config.ts';
import { migrate } from '../shared/db/schema/migrations.ts';
import { runCommand } from './support/command.ts';

const USAGE = `Usage: npm run migrate
Brings the database of DATABASE_URL (or of CLOUD_SQL_INSTANCE, DB_NAME, DB_USER) to the schema of this code, and grants
what DB_ACCOUNTS says. May run any number of times. In a deployment \`npm run deploy\` does it from inside.`;

await runCommand(USAGE, async () => {
  const { database, databaseAccounts } = readConfig(process.env);
  const applied = await migrate(database, databaseAccounts);
  process.stdout.write(
    applied.length === 0 ? 'The schema is current.\n' : `Applied: ${applied.join(', ')}\n`,
  );
  if (databaseAccounts.length > 0)
    process.stdout.write(
      `Granted: ${databaseAccounts.map((one) => `${one.part} (${one.account})`).join(', ')}\n`,
    );
});
