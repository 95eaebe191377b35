/**
 * A minimal poller for comparison. It lists unread messages, fetches each message and each attachment with a separate call,
 * sequentially, and inserts each row with a separate statement. It has no ledger, no raw messages and no retries.
 */
import { google } from 'googleapis';
import type { gmail_v1 } from 'googleapis/build/src/apis/gmail/v1.js';
import pg from 'pg';
import type { GmailProcess } from '../helpers/child-processes.ts';

const TABLES = `
create schema naive;
create table naive.emails (
  id integer generated always as identity primary key, gmail_message_id text unique, sender text, subject text,
  body text, received_at timestamptz);
create table naive.attachments (
  id integer generated always as identity primary key, email_id integer references naive.emails, filename text,
  content_type text, data bytea)`;

export async function pollNaively(gmail: GmailProcess, databaseUrl: string): Promise<number> {
  const { env } = gmail;
  const auth = new google.auth.OAuth2({
    clientId: env['GMAIL_CLIENT_ID'] ?? '',
    clientSecret: env['GMAIL_CLIENT_SECRET'] ?? '',
    endpoints: { oauth2TokenUrl: gmail.tokenUrl },
  });
  auth.setCredentials({ refresh_token: env['GMAIL_REFRESH_TOKEN'] ?? null });
  const { users } = google.gmail({ version: 'v1', auth, rootUrl: gmail.rootUrl });
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  await client.query(TABLES);
  let storedCount = 0;
  let pageToken: string | undefined;
  do {
    const { data: page } = await users.messages.list({
      userId: 'me',
      q: 'is:unread',
      maxResults: 500,
      ...(pageToken === undefined ? {} : { pageToken }),
    });
    for (const { id } of page.messages ?? []) {
      await storeNaively(users, client, id ?? '');
      storedCount += 1;
    }
    pageToken = page.nextPageToken ?? undefined;
  } while (pageToken !== undefined);
  await client.end();
  return storedCount;
}

async function storeNaively(users: gmail_v1.Resource$Users, client: pg.Client, id: string): Promise<void> {
  const { data: message } = await users.messages.get({ userId: 'me', id, format: 'full' });
  const header = (name: string): string | null =>
    message.payload?.headers?.find((one) => one.name?.toLowerCase() === name)?.value ?? null;
  const parts = message.payload?.parts ?? [];
  const body = parts.find((part) => part.mimeType === 'text/plain')?.body?.data ?? '';
  const { rows } = await client.query<{ id: number }>(
    `insert into naive.emails (gmail_message_id, sender, subject, body, received_at)
     values ($1, $2, $3, $4, to_timestamp($5::bigint / 1000)) returning id`,
    [id, header('from'), header('subject'), Buffer.from(body, 'base64url').toString(), message.internalDate],
  );
  for (const part of parts.filter((one) => one.body?.attachmentId)) {
    const { data: file } = await users.messages.attachments.get({
      userId: 'me',
      messageId: id,
      id: part.body?.attachmentId ?? '',
    });
    await client.query(
      'insert into naive.attachments (email_id, filename, content_type, data) values ($1, $2, $3, $4)',
      [rows[0]?.id, part.filename, part.mimeType, Buffer.from(file.data ?? '', 'base64url')],
    );
  }
}
