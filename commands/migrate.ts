/** `npm run migrate`: brings the database of DATABASE_URL to the schema of this code. May run any number of times. */
import { migrate } from '../shared/db/migrations.ts';
import { runCommand } from './command.ts';

await runCommand(async () => {
  const url = process.env['DATABASE_URL']?.trim();
  if (!url)
    throw new Error(
      'Set DATABASE_URL to the database to migrate (with the Cloud SQL Auth Proxy: its local address).',
    );
  const applied = await migrate(url);
  process.stdout.write(
    applied.length === 0 ? 'The schema is current.\n' : `Applied: ${applied.join(', ')}\n`,
  );
});
