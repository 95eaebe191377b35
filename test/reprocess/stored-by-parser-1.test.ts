import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import pg from 'pg';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { type Database, openDatabase } from '../../shared/db/database.ts';
import { storeEmail } from '../../shared/db/emails.ts';
import { migrate } from '../../shared/db/schema/migrations.ts';
import { parseEmail } from '../../shared/mime/parse-email.ts';
import { PARSER_VERSION } from '../../shared/mime/parsed-email.ts';
import { ALL_EMAILS } from '../../shared/reprocess/raw-emails.ts';
import { reprocess } from '../../shared/reprocess/reprocess-emails.ts';
import { addLiveMessages, leasedMailbox } from '../helpers/leased-mailbox.ts';

type Row = Readonly<Record<string, unknown>>;

/** The rows of twelve emails, as parser version 1 stored them under the first migration. Null members are omitted. */
const STORED: Readonly<Record<string, readonly Row[]>> = JSON.parse(
  readFileSync(join(import.meta.dirname, 'stored-by-parser-1.json'), 'utf8'),
);
const FIRST_MIGRATION = '0001_initial-schema.sql';
const folder = mkdtempSync(join(tmpdir(), 'email-monitor-first-migration-'));

let db: Database;
beforeAll(async () => {
  copyFileSync(
    join(import.meta.dirname, '../../sql/migrations', FIRST_MIGRATION),
    join(folder, FIRST_MIGRATION),
  );
  const url = new URL(inject('postgresUrl'));
  const name = 'stored_by_parser_1';
  const admin = new pg.Client({
    connectionString: Object.assign(new URL(url), { pathname: '/postgres' }).href,
  });
  await admin.connect();
  await admin.query(`create database ${name}`);
  await admin.end();
  url.pathname = `/${name}`;
  const target = { kind: 'url', url: url.href } as const;
  await migrate(target, [], folder);
  db = openDatabase({ target, poolSize: 4 });
  for (const [table, rows] of Object.entries(STORED)) for (const row of rows) await insert(table, row);
  for (const table of ['mailboxes', 'incoming_emails', 'email_attachments'])
    await db.query(`select setval(pg_get_serial_sequence('${table}', 'id'), 1000)`);
  await migrate(target);
});
afterAll(async () => {
  await db?.close();
  rmSync(folder, { recursive: true, force: true });
});

async function insert(table: string, row: Row): Promise<void> {
  const columns = Object.keys(row).join(', ');
  await db.query(
    `insert into ${table} (${columns}) overriding system value
     select ${columns} from json_populate_record(null::${table}, $1::json)`,
    [JSON.stringify(row)],
  );
}

/** What is stored of each email of a mailbox, without ids and times of storing. */
async function readStored(mailboxId: number) {
  const { rows } = await db.query(
    `select to_jsonb(e) - array['id', 'mailbox_id', 'created_at', 'updated_at'] as email,
            (select s.search_words::text from email_search s where s.email_id = e.id) as search_words,
            (select jsonb_agg(to_jsonb(f) - array['id', 'email_id', 'created_at'] order by f.part_path)
             from email_attachments f where f.email_id = e.id) as files
     from incoming_emails e
     where e.mailbox_id = $1
     order by e.gmail_message_id`,
    [mailboxId],
  );
  return rows;
}

test('gives every email that parser version 1 stored the rows that the present parser stores for the same bytes', async () => {
  const fresh = await leasedMailbox(db);
  for (const stored of STORED['incoming_emails'] ?? []) {
    const id = String(stored['gmail_message_id']);
    const raw = STORED['email_raw']?.find((row) => row['email_id'] === stored['id']);
    const data = Buffer.from(String(raw?.['data']).slice(2), 'hex');
    const bytes = gunzipSync(data);
    await addLiveMessages(db, fresh, id);
    await storeEmail(db, fresh, {
      gmailMessageId: id,
      gmailThreadId: 't',
      labelIds: ['INBOX'],
      receivedAt: new Date(String(stored['received_at'])),
      parserVersion: PARSER_VERSION,
      email: await parseEmail(bytes),
      raw: { encoding: 'gzip', data, sizeBytes: bytes.length, sha256: String(raw?.['sha256']) },
    });
  }
  const wanted = await readStored(fresh.mailboxId);
  const before = await readStored(1);
  expect(before).toHaveLength(12);
  for (const [index, email] of before.entries()) expect(email).not.toEqual(wanted[index]);

  const kinds: string[] = [];
  const selection = { ...ALL_EMAILS, belowVersion: PARSER_VERSION };
  for await (const { result } of reprocess({ db, largeBytes: null }, selection, {
    applies: true,
    resetsProcessed: false,
  }))
    kinds.push(result.kind);
  expect(kinds).toHaveLength(12);
  expect(await readStored(1)).toEqual(wanted);

  // Consumers refer to files by id: a file with the same part, name and bytes keeps its row.
  const { rows: files } = await db.query<{ id: number }>(
    `select f.id from email_attachments f join incoming_emails e on e.id = f.email_id
     where e.mailbox_id = 1 and f.id < 1000`,
  );
  const kept = files.map(
    ({ id }) => STORED['email_attachments']?.find((file) => file['id'] === id)?.['filename'],
  );
  expect(kept.toSorted()).toEqual(['Crates.eml', 'order.pdf', 'smime.p7m']);
});
