/**
 * `npm run migrate`: migrates the configured database to the schema of this code, and grants the accounts of DB_ACCOUNTS
 * their privileges. May run any number of times. In a deployment, the function `migrate` does this.
 */
import { readConfig } from '../shared/config.ts';
import { migrate } from '../shared/db/schema/migrations.ts';
import { labelOf } from '../shared/db-accounts.ts';
import { runCommand } from './support/command.ts';
import { readFlags } from './support/flags.ts';
import { say } from './support/terminal.ts';

const USAGE = `Usage: npm run migrate
Migrates the database of DATABASE_URL (or of CLOUD_SQL_INSTANCE, DB_NAME, DB_USER) to the schema of this code, and
grants the accounts of DB_ACCOUNTS their privileges. May run again at any time. In a deployment, the
functions call the function migrate by themselves.`;

await runCommand(USAGE, async () => {
  readFlags({});
  const { database, databaseAccounts } = readConfig(process.env);
  const applied = await migrate(database, databaseAccounts);
  say(applied.length === 0 ? 'The schema is current.' : `Applied: ${applied.join(', ')}`);
  if (databaseAccounts.length > 0)
    say(`Granted: ${databaseAccounts.map((one) => `${labelOf(one)} (${one.account})`).join(', ')}`);
});
