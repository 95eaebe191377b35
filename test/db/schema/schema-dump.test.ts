import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { dumpSchema } from '../../../shared/db/schema/schema-dump.ts';
import { createTestDatabase } from '../../helpers/test-database.ts';

const db = await createTestDatabase();
afterAll(async () => await db.close());

test('sql/schema.sql equals the schema that results from the migrations', async () => {
  const written = readFileSync(join(import.meta.dirname, '../../../sql/schema.sql'), 'utf8');
  expect(await dumpSchema(db)).toBe(written);
});

test('the schema has the tables, columns and indexes of the hand-over note', async () => {
  const columns = async (table: string) =>
    (
      await db.query<{ column_name: string }>(
        'select column_name from information_schema.columns where table_name = $1::text',
        [table],
      )
    ).rows.map((row) => row.column_name);
  expect(await columns('incoming_emails')).toEqual(
    expect.arrayContaining([
      'id',
      'gmail_message_id',
      'sender',
      'subject',
      'body_text',
      'body_html',
      'received_at',
      'processed',
      'created_at',
      'updated_at',
    ]),
  );
  expect(await columns('email_attachments')).toEqual(
    expect.arrayContaining(['id', 'email_id', 'filename', 'content_type', 'file_data', 'file_size_bytes']),
  );
  expect(await columns('email_monitor_status')).toEqual(
    expect.arrayContaining(['id', 'is_running', 'last_poll_at', 'last_error', 'emails_processed_total']),
  );
  const { rows } = await db.query<{ indexname: string; indexdef: string }>(
    `select indexname, indexdef from pg_indexes where indexname like 'idx_%'`,
  );
  const byName = new Map(rows.map((row) => [row.indexname, row.indexdef]));
  expect(byName.get('idx_incoming_emails_gmail_id')).toContain('UNIQUE');
  expect(byName.get('idx_incoming_emails_processed')).toContain('WHERE (processed = false)');
  expect(byName.has('idx_email_attachments_email_id')).toBe(true);
});

test('the schema allows one status row, and deletes attachments with their email', async () => {
  await expect(db.query('insert into email_monitor_status (id) values (2)')).rejects.toMatchObject({
    code: 'unstorable',
  });
  const { rows } = await db.query<{ confdeltype: string }>(
    `select confdeltype from pg_constraint where conrelid = 'email_attachments'::regclass and confrelid = 'incoming_emails'::regclass`,
  );
  expect(rows.map((row) => row.confdeltype)).toEqual(['c']);
});
