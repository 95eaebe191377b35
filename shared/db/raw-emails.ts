/** The exact bytes of stored emails, as rows: which emails are to be read again, and what stands for each. */

import type { Queryable } from './database.ts';
import type { RawEmail } from './emails.ts';

/** Which emails; what is null is not asked for, and all that is asked for must hold. */
export interface RereadChoice {
  readonly ids: readonly number[] | null;
  /** Ids above this one, in order; 0 for the first. */
  readonly afterId: number;
  /** Read by a lower version of the reader. */
  readonly belowVersion: number | null;
  /** Read by this version of the reader. */
  readonly version: number | null;
  readonly receivedFrom: Date | null;
  readonly receivedBefore: Date | null;
  readonly defect: string | null;
}

export const EVERY_EMAIL: RereadChoice = {
  ids: null,
  afterId: 0,
  belowVersion: null,
  version: null,
  receivedFrom: null,
  receivedBefore: null,
  defect: null,
};

const CHOSEN = `id > $1::integer
       and ($2::integer[] is null or id = any ($2::integer[]))
       and ($3::integer is null or parser_version < $3::integer)
       and ($4::integer is null or parser_version = $4::integer)
       and ($5::timestamptz is null or received_at >= $5::timestamptz)
       and ($6::timestamptz is null or received_at < $6::timestamptz)
       and ($7::text is null or $7::text = any (defects))`;

function chosen(choice: RereadChoice): unknown[] {
  const { afterId, ids, belowVersion, version, receivedFrom, receivedBefore, defect } = choice;
  return [afterId, ids, belowVersion, version, receivedFrom, receivedBefore, defect];
}

/** Ids of the next emails to read again, lowest first. */
export async function findToReread(db: Queryable, choice: RereadChoice, limit: number): Promise<number[]> {
  const { rows } = await db.query<{ id: number }>(
    `select id
     from incoming_emails
     where ${CHOSEN}
     order by id
     limit $8::integer`,
    [...chosen(choice), limit],
  );
  return rows.map((row) => row.id);
}

export async function countToReread(db: Queryable, choice: RereadChoice): Promise<number> {
  const { rows } = await db.query<{ count: number }>(
    `select count(*)::integer as count
     from incoming_emails
     where ${CHOSEN}`,
    chosen(choice),
  );
  return rows[0]?.count ?? 0;
}

/** The defects that stored emails have, each once, by name. */
export async function listDefects(db: Queryable): Promise<string[]> {
  const { rows } = await db.query<{ defect: string }>(
    `select distinct unnest(defects) as defect
     from incoming_emails
     order by 1`,
  );
  return rows.map((row) => row.defect);
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
