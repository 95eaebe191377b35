/** The exact bytes of stored emails, as rows: which emails are to be read again, and what stands for each. */

import type { Queryable } from './database.ts';
import type { RawEmail } from './emails.ts';

export interface RereadQuery {
  /** Ids above this one, in order; 0 for the first. */
  readonly afterId: number;
  /** Emails that a reader of a lower version has read; null for all. */
  readonly belowVersion: number | null;
  readonly limit: number;
}

/** Ids of the next emails to read again, lowest first. */
export async function findToReread(db: Queryable, query: RereadQuery): Promise<number[]> {
  const { rows } = await db.query<{ id: number }>(
    `select id
     from incoming_emails
     where id > $1::integer
       and ($2::integer is null or parser_version < $2::integer)
     order by id
     limit $3::integer`,
    [query.afterId, query.belowVersion, query.limit],
  );
  return rows.map((row) => row.id);
}

export async function countToReread(db: Queryable, query: Omit<RereadQuery, 'limit'>): Promise<number> {
  const { rows } = await db.query<{ count: number }>(
    `select count(*)::integer as count
     from incoming_emails
     where id > $1::integer
       and ($2::integer is null or parser_version < $2::integer)`,
    [query.afterId, query.belowVersion],
  );
  return rows[0]?.count ?? 0;
}

/** Null when there is none. */
export async function readRawEmail(db: Queryable, emailId: number): Promise<RawEmail | null> {
  const { rows } = await db.query<{ encoding: 'gzip'; data: Buffer; size_bytes: number; sha256: string }>(
    `select encoding, data, size_bytes, sha256
     from email_raw
     where email_id = $1::integer`,
    [emailId],
  );
  const row = rows[0];
  if (row === undefined) return null;
  return { encoding: row.encoding, data: row.data, sizeBytes: row.size_bytes, sha256: row.sha256 };
}

export async function hasEmail(db: Queryable, id: number): Promise<boolean> {
  const { rowCount } = await db.query('select 1 from incoming_emails where id = $1::integer', [id]);
  return rowCount === 1;
}
