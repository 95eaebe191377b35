/** Compares docs/consumer.md with the database, and runs its SQL. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { storeEmails } from '../helpers/email-queue.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';

const document = readFileSync(join(import.meta.dirname, '../../docs/consumer.md'), 'utf8');

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
  await db.query('create schema extraction');
  await storeEmails(db, 5);
});
afterAll(async () => await db.close());

/** The text of a section, without its heading. */
function section(heading: string): string {
  return document.split(/^## /m).find((text) => text.startsWith(`${heading}\n`)) ?? '';
}

/** The cells in backticks of the first column of the tables in `text`, with those of the second column if it has them. */
function codeCells(text: string): string[] {
  return [...text.matchAll(/^\| `([^`]+)` \|(?: `([^`]+)` \|)?/gm)].map(([, name, type]) =>
    type === undefined ? (name ?? '') : `${name} ${type}`,
  );
}

it('docs/consumer.md lists each function of the queue with its arguments, and each SQLSTATE that it raises', async () => {
  const { rows } = await db.query<{ signature: string; source: string }>(
    `select p.proname || '(' || pg_get_function_arguments(p.oid) || ')' as signature
     from pg_proc p
     where p.pronamespace = 'public'::regnamespace
       and p.proname ~ '^(claim_emails|attachment_data|(extend|complete|fail|release|requeue)_.*)$'`,
  );
  const cells = codeCells(section('Functions'));
  const withoutDefaults = (signature: string) => signature.replaceAll(/ default [^,)]+/gi, '');
  expect(
    cells
      .filter((cell) => cell.includes('('))
      .map(withoutDefaults)
      .sort(),
  ).toEqual(rows.map((row) => withoutDefaults(row.signature)).sort());

  const { rows: sources } = await db.query<{ source: string }>(
    `select prosrc as source from pg_proc where pronamespace = 'public'::regnamespace`,
  );
  const raised = sources.flatMap(({ source }) =>
    [...source.matchAll(/errcode = '(QE\d{3}|42501)'/g)].map(([, code]) => code),
  );
  expect(cells.filter((cell) => !cell.includes('(')).sort()).toEqual([...new Set(raised)].sort());
});

it('docs/consumer.md lists the columns of the view and the fields of an attachment, in their order', async () => {
  const { rows } = await db.query<{ column: string }>(
    `select attname || ' ' || format_type(atttypid, null) as column
     from pg_attribute
     where attrelid = 'emails_for_processing'::regclass
     order by attnum`,
  );
  expect(codeCells(section('The view emails_for_processing'))).toEqual(
    rows.map((row) => row.column.replace('timestamp with time zone', 'timestamptz')),
  );

  const { rows: fields } = await db.query<{ name: string }>(
    `select distinct jsonb_object_keys(attachment) as name
     from emails_for_processing, jsonb_array_elements(attachments) attachment`,
  );
  expect(codeCells(section('Attachments')).sort()).toEqual(fields.map((row) => row.name).sort());
});

it('the SQL of docs/consumer.md runs from top to bottom', async () => {
  const statements = [...document.matchAll(/^```sql\n([\s\S]*?)^```/gm)]
    .flatMap(([, block = '']) => block.split(/;(?=\s)/))
    .filter((statement) => statement.trim() !== '');
  expect(statements.length).toBeGreaterThan(15);
  const session = new pg.Client({ connectionString: db.url });
  await session.connect();
  for (const statement of statements) await session.query(statement);
  await session.end();

  const { rows } = await db.query(
    `select e.id, e.processed, r.result, o.order_number, q.state
     from incoming_emails e
     left join email_results r on r.email_id = e.id
     left join extraction.orders o on o.gmail_message_id = e.gmail_message_id
     left join email_queue q on q.email_id = e.id
     order by e.id`,
  );
  expect(rows).toEqual([
    { id: 1, processed: true, result: { order_number: '4711' }, order_number: null, state: null },
    { id: 2, processed: true, result: null, order_number: '4712', state: null },
    { id: 3, processed: true, result: null, order_number: null, state: null },
    { id: 4, processed: false, result: null, order_number: null, state: 'waiting' },
    { id: 5, processed: false, result: null, order_number: null, state: 'waiting' },
  ]);
});
