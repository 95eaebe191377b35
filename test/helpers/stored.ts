/** Reads what a system has stored, to compare it with what was delivered. */
import { createHash } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import type { TestSystem } from './test-system.ts';

/** The Gmail ids of the stored emails, sorted. */
export async function storedIds(system: TestSystem): Promise<string[]> {
  const rows = await system.rows<{ id: string }>('select gmail_message_id as id from incoming_emails');
  return rows.map((row) => row.id).sort();
}

/** Ledger states by Gmail id: `pending`, `stored`, `gone`, `dead`, or `ignored: rule`. */
export async function ledger(system: TestSystem): Promise<Record<string, string>> {
  const rows = await system.rows<{ id: string; state: string }>(
    `select gmail_message_id as id, concat_ws(': ', state, ignored_rule) as state from email_ledger`,
  );
  return Object.fromEntries(rows.map((row) => [row.id, row.state]));
}

/** The stored raw messages by Gmail id, verified against their stored SHA-256. */
export async function storedBytes(system: TestSystem): Promise<Map<string, Buffer>> {
  const rows = await system.rows<{ id: string; data: Buffer; sha256: string }>(
    `select e.gmail_message_id as id, r.data, r.sha256
     from incoming_emails e
     join email_raw r on r.email_id = e.id`,
  );
  return new Map(
    rows.map((row) => {
      const bytes = gunzipSync(row.data);
      if (createHash('sha256').update(bytes).digest('hex') !== row.sha256)
        throw new Error('SHA-256 does not match');
      return [row.id, bytes];
    }),
  );
}

/** Emails whose number of stored attachments differs from their `attachment_count`. */
export async function incompleteEmails(system: TestSystem): Promise<unknown[]> {
  return await system.rows(
    `select e.gmail_message_id
     from incoming_emails e
     left join email_attachments a on a.email_id = e.id
     group by e.id
     having count(a.id) <> e.attachment_count`,
  );
}
