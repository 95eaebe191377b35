/** A database of its own for a test file, cloned from the migrated template in some 30 ms. */
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
  // The template must have no session of its own while it is copied.
  const admin = new URL(template);
  admin.pathname = '/postgres';
  await withClient(admin.href, async (client) => {
    await client.query(`create database ${name} template ${template.pathname.slice(1)}`);
  });
  const db = openDatabase({ target: { kind: 'url', url: url.href }, poolSize });
  return { ...db, url: url.href };
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
