/** `npm run schema`: migrates a new, empty PostgreSQL and writes the resulting schema to `sql/schema.sql`. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../local/ports.ts';
import { startPostgres } from '../local/postgres/server.ts';
import { openDatabase } from '../shared/db/database.ts';
import { migrate } from '../shared/db/schema/migrations.ts';
import { dumpSchema } from '../shared/db/schema/schema-dump.ts';
import { runCommand } from './support/command.ts';
import { readFlags } from './support/flags.ts';
import { say } from './support/terminal.ts';

const USAGE = `Usage: npm run schema
Migrates a new, empty PostgreSQL and writes the resulting schema to sql/schema.sql.`;

await runCommand(USAGE, async () => {
  readFlags({});
  const root = join(import.meta.dirname, '..');
  const folder = mkdtempSync(join(root, '.schema-'));
  const server = await startPostgres({ folder, port: await freePort(), database: 'schema' });
  try {
    await migrate({ kind: 'url', url: server.url });
    const db = openDatabase({ target: { kind: 'url', url: server.url }, poolSize: 1 });
    writeFileSync(join(root, 'sql/schema.sql'), await dumpSchema(db));
    await db.close();
  } finally {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
  say('sql/schema.sql written');
});
