import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { freePort } from '../../local/ports.ts';
import { runToEnd } from '../helpers/command-process.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';

// Each command is a separate process, which starts slowly on a busy machine.
vi.setConfig({ testTimeout: 30_000 });

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(async () => await db.close());

const sql = async (...args: string[]) => await runToEnd('sql', args, { DATABASE_URL: db.url });

describe('npm run sql', () => {
  it('prints the rows as a table, also with columns of the same name', async () => {
    expect(
      await sql("select 1 as n, 'a' as n, null as x, '2026-01-01T00:00:00Z'::timestamptz as at"),
    ).toEqual({
      code: 0,
      output: 'n  n  x  at\n-  -  -  ------------------------\n1  a     2026-01-01T00:00:00.000Z\n1 row\n',
    });
    expect((await sql('select 1 as n where false')).output).toBe('n\n-\n0 rows\n');
    expect((await sql('select 1; select 2 as second')).output).toBe('second\n------\n2\n1 row\n');
  });

  it('shows an empty text in quotes, so that it differs from a null', async () => {
    expect((await sql("select '' as empty, null as none, 1 as n")).output).toBe(
      "empty  none  n\n-----  ----  -\n''           1\n1 row\n",
    );
  });

  it('says what a statement has changed', async () => {
    expect((await sql('create table orders (id integer)')).output).toBe('Done: CREATE\n');
    expect((await sql('insert into orders values (1), (2)')).output).toBe('Inserted 2 rows\n');
    expect((await sql('update orders set id = 3 where id = 1')).output).toBe('Updated 1 row\n');
    expect((await sql('delete from orders where id = 3 returning id')).output).toBe(
      'id\n--\n3\nDeleted 1 row\n',
    );
    expect((await sql('delete from orders where id = 3')).output).toBe('Deleted 0 rows\n');
  });

  it('rejects a DATABASE_URL of another database system', async () => {
    const { code, output } = await runToEnd('sql', ['select 1'], {
      DATABASE_URL: 'mysql://root@localhost/x',
    });
    expect([code, output]).toEqual([
      1,
      expect.stringContaining('DATABASE_URL must begin with postgresql://'),
    ]);
  });

  it('names the database or the user that PostgreSQL rejects, without the password', async () => {
    const url = new URL(db.url);
    url.pathname = '/no-such-database';
    const unknownDatabase = await runToEnd('sql', ['select 1'], { DATABASE_URL: url.href });
    expect(unknownDatabase.output).toContain('database "no-such-database" does not exist, 3D000');
    url.username = 'stranger';
    url.password = 'hidden-word';
    const unknownUser = await runToEnd('sql', ['select 1'], { DATABASE_URL: url.href });
    expect(unknownUser.output).toMatch(/user "stranger", 28P01\)\. Check DATABASE_URL/);
    expect(unknownUser.output).not.toContain('hidden-word');
  });

  it('marks cut cells with an ellipsis, and prints how many were cut', async () => {
    const { output } = await sql("select repeat('x', 80) as a, repeat('y', 81) as b, repeat('z', 500) as c");
    expect(output).toContain(` ${'y'.repeat(79)}… `);
    expect(output).toContain('x'.repeat(80));
    expect(output).toMatch(/^2 cells cut, marked with an ellipsis/m);
    expect((await sql("select repeat('x', 80) as a")).output).not.toContain('cut');
  });

  it('shows the position of a syntax error with the line and a caret', async () => {
    const { code, output } = await sql('select id\nfrom incoming_emails\nwher id = 1');
    expect(code).toBe(1);
    expect(output).toBe('ERROR: syntax error at or near "id"\nLINE 3: wher id = 1\n             ^\n');
    const wide = await sql(`select '${'ä'.repeat(100)}', nonsense`);
    expect(wide.output).toMatch(
      /^ERROR: column "nonsense" does not exist\nLINE 1: \.\.\.ä+', nonsense\n {71}\^\n$/,
    );
  });

  it('escapes control characters and escape sequences in cells, column names and errors', async () => {
    const osc52 = "E'\\x1b]52;c;ZXZpbA==\\x07'";
    const { output } = await sql(
      `select ${osc52} as a, E'\\u009b31m\\x7f\\u202e\\u200b' as b, E'one\\r\\n\\ttwo' as c, '{"x":"\\u001b[2J"}'::json as d`,
    );
    expect(output).toContain('\\u{1b}]52;c;ZXZpbA==\\u{7}');
    expect(output).toContain('\\u{9b}31m\\u{7f}\\u{202e}\\u{200b}');
    expect(output).toContain('one two');
    const others = [
      (await sql('select 1 as "\u001b[31mred"')).output,
      (await sql("select E'\\x1b[31mred'::integer")).output,
      (await sql('select \u001b[31m')).output,
    ];
    for (const text of [output, ...others]) expect(text.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  });

  it('asks whether npm start is running when the local database does not answer', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'email-monitor-sql-'));
    try {
      const url = `postgres://postgres:hidden-word@127.0.0.1:${await freePort()}/orders`;
      writeFileSync(join(folder, 'database-url'), `${url}\n`);
      const { code, output } = await runToEnd('sql', ['select 1'], { LOCAL_DATA_DIR: folder });
      expect(code).toBe(1);
      expect(output).toContain('(ECONNREFUSED). The local stack does not answer: is `npm start` running?');
      expect(output).not.toContain('hidden-word');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
