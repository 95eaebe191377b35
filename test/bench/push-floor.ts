/**
 * The floor: a lower bound for the time of a push, measured at the same time on the same machine. A client with an open
 * connection and a valid token makes two Gmail calls and commits the same rows in one statement.
 */
import pg from 'pg';
import type { GmailProcess } from '../helpers/child-processes.ts';

// One statement, so one round trip and one commit.
// $1 id of the stored email text, $2 id for its copy text, $3 raw message bytea
const COPY = `
with copied as (
  insert into incoming_emails
    (mailbox_id, gmail_message_id, gmail_thread_id, label_ids, received_at, size_bytes, parser_version, sender,
     sender_address, recipients, subject, rfc822_message_id, sent_at, body_text, attachment_count, defects)
  select mailbox_id, $2::text, gmail_thread_id, label_ids, received_at, size_bytes, parser_version, sender,
         sender_address, recipients, subject, rfc822_message_id, sent_at, body_text, attachment_count, defects
  from incoming_emails
  where gmail_message_id = $1::text
  returning id
),
files as (
  insert into email_attachments
    (email_id, part_path, filename, content_type, file_data, file_size_bytes, sha256)
  select copied.id, '1', 'copy', 'application/pdf', $3::bytea, octet_length($3::bytea), repeat('0', 64)
  from copied
)
insert into email_raw (email_id, encoding, data, size_bytes, sha256)
select copied.id, 'gzip', $3::bytea, octet_length($3::bytea), repeat('0', 64)
from copied`;

export interface Floor {
  /** Lists the history, fetches the email and stores a copy of its rows. Resolves after the commit. */
  run(gmailMessageId: string, startHistoryId: string, copyId: string): Promise<void>;
  close(): Promise<void>;
}

export async function prepareFloor(gmail: GmailProcess, databaseUrl: string): Promise<Floor> {
  const authorization = `Bearer ${await accessToken(gmail)}`;
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  const call = async <Answer>(path: string): Promise<Answer> => {
    const response = await fetch(`${gmail.rootUrl}gmail/v1/users/me/${path}`, { headers: { authorization } });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as Answer;
  };
  return {
    run: async (id, startHistoryId, copyId) => {
      await call(`history?startHistoryId=${startHistoryId}&maxResults=500`);
      const { raw } = await call<{ raw: string }>(`messages/${id}?format=raw`);
      await client.query(COPY, [id, copyId, Buffer.from(raw, 'base64url')]);
    },
    close: async () => await client.end(),
  };
}

async function accessToken({ tokenUrl, env }: GmailProcess): Promise<string> {
  const response = await fetch(tokenUrl, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'refresh_token',
      client_id: env['GMAIL_CLIENT_ID'] ?? '',
      client_secret: env['GMAIL_CLIENT_SECRET'] ?? '',
      refresh_token: env['GMAIL_REFRESH_TOKEN'] ?? '',
    }),
  });
  const { access_token: token } = (await response.json()) as { access_token?: string };
  if (token === undefined) throw new Error(`No access token: ${response.status}`);
  return token;
}
