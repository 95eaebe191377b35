/** Creates a database for one test, as a fast clone of the migrated template. Each has 10 MB, so it is dropped when it is closed. */
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { inject } from 'vitest';
import { type Database, openDatabase } from '../../shared/db/database.ts';

export interface TestDatabase extends Database {
  readonly url: string;
}

export async function createTestDatabase(poolSize = 8): Promise<TestDatabase> {
  const template = new URL(inject('postgresUrl'));
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  const url = new URL(template);
  url.pathname = `/${name}`;
  // PostgreSQL cannot copy a template that has open sessions, so connect to another database.
  const admin = new URL(template);
  admin.pathname = '/postgres';
  await withClient(admin.href, async (client) => {
    await client.query(`create database ${name} template ${template.pathname.slice(1)} strategy file_copy`);
  });
  const db = openDatabase({ target: { kind: 'url', url: url.href }, poolSize });
  return {
    ...db,
    url: url.href,
    close: async () => {
      await db.close();
      await withClient(admin.href, async (client) => {
        await client.query(`drop database if exists ${name} with (force)`);
      });
    },
  };
}

async function withClient(
  connectionString: string,
  work: (client: pg.Client) => Promise<void>,
): Promise<void> {
  const client = new pg.Client({ connectionString });
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}
