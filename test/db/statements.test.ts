/** Every declared statement, compared with the schema. */
import { globSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { declaredStatements, type Statement } from '../../shared/db/statement.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';
import { describeStatement } from './described-statement.ts';

const ROOT = join(import.meta.dirname, '../..');

for (const path of globSync(['shared/db/*.ts', 'shared/control/*.ts', 'console/api/*.ts'], {
  cwd: ROOT,
}).sort())
  await import(join(ROOT, path));

const statements: readonly Statement[] = [...declaredStatements.values()];

let db: TestDatabase;
let client: pg.Client;
beforeAll(async () => {
  db = await createTestDatabase();
  client = new pg.Client({ connectionString: db.url });
  await client.connect();
});
afterAll(async () => {
  await client.end();
  await db.close();
});

/** Without `?`, because PostgreSQL does not report whether an expression can be null. */
function declaredColumns({ columns }: Statement): [name: string, type: string][] {
  return Object.entries(columns).map(([name, type]) => [name, type.replace('?', '')]);
}

function byName(columns: readonly (readonly [name: string, type: string])[]) {
  return columns.toSorted(([one], [other]) => (one < other ? -1 : 1));
}

/** Identifies a statement in a failing test. */
function label({ text }: Statement): string {
  return text.trim().replaceAll(/\s+/g, ' ').slice(0, 70);
}

test('every declared statement has a unique name', () => {
  expect(statements.length).toBeGreaterThan(20);
  // Beyond MAX_NAMED a statement would have no name and would not be in the map.
  expect(statements.length).toBeLessThan(240);
  expect(new Set(statements.map((one) => one.name)).size).toBe(statements.length);
});

describe('declared statements', () => {
  test.each(statements.map((one) => [label(one), one] as const))(
    'the schema has the columns of, and every parameter has a cast in: %s',
    async (_label, one) => {
      const { columns } = await describeStatement(client, one.name, one.text);
      expect(byName(columns)).toEqual(byName(declaredColumns(one)));
      const withoutComments = one.text.replaceAll(/--.*$/gm, '');
      expect(withoutComments.match(/\$\d+(?!\d|::)/g) ?? []).toEqual([]);
    },
  );
});

describe('describeStatement', () => {
  const text = 'select id, outcome from ingest_runs where id = $1::bigint';

  test('describeStatement returns names and types without running the statement', async () => {
    expect(await describeStatement(client, 'example', text)).toEqual({
      columns: [
        ['id', 'bigint'],
        ['outcome', 'text'],
      ],
      parameterTypes: ['bigint'],
    });
    const before = await client.query('select count(*) from ingest_runs');
    await describeStatement(client, 'writing', "insert into ingest_runs (trigger) values ('push')");
    expect((await client.query('select count(*) from ingest_runs')).rows).toEqual(before.rows);
  });

  test('describeStatement fails for a renamed column, and the connection stays usable', async () => {
    await client.query('begin');
    await client.query('alter table ingest_runs rename column outcome to result');
    await client.query('savepoint renamed');
    await expect(describeStatement(client, 'renamed', text)).rejects.toMatchObject({ code: '42703' });
    await client.query('rollback');
    expect((await describeStatement(client, 'again', text)).columns).toContainEqual(['outcome', 'text']);
  });
});
