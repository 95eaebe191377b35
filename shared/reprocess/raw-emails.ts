/** Reads the exact bytes of stored emails, and finds the emails to parse again. Called by `reprocess`. */
import type { Bucket } from '../bucket/bucket.ts';
import { readObject, requireBucket } from '../bucket/read-object.ts';
import type { Queryable } from '../db/database.ts';
import type { RawEmail } from '../db/emails.ts';
import { onlyRow } from '../db/rows.ts';
import { statement } from '../db/statement.ts';

/** Selects emails: every condition that is not null must hold. */
export interface EmailSelection {
  readonly ids: readonly number[] | null;
  /** Only ids above this one, in order; 0 for the first. */
  readonly afterId: number;
  /** Parsed by a lower version of the parser. */
  readonly belowVersion: number | null;
  /** Parsed by this version of the parser. */
  readonly version: number | null;
  readonly receivedFrom: Date | null;
  readonly receivedBefore: Date | null;
  readonly defect: string | null;
}

export const ALL_EMAILS: EmailSelection = {
  ids: null,
  afterId: 0,
  belowVersion: null,
  version: null,
  receivedFrom: null,
  receivedBefore: null,
  defect: null,
};

// $1 after id int, $2 ids int[], $3 below version int, $4 version int, $5 from timestamptz, $6 before timestamptz,
// $7 defect text; all but $1 may be null
const CHOSEN = `id > $1::integer
  and ($2::integer[] is null or id = any ($2::integer[]))
  and ($3::integer is null or parser_version < $3::integer)
  and ($4::integer is null or parser_version = $4::integer)
  and ($5::timestamptz is null or received_at >= $5::timestamptz)
  and ($6::timestamptz is null or received_at < $6::timestamptz)
  and ($7::text is null or $7::text = any (defects))`;

function chosen(choice: EmailSelection): unknown[] {
  const { afterId, ids, belowVersion, version, receivedFrom, receivedBefore, defect } = choice;
  return [afterId, ids, belowVersion, version, receivedFrom, receivedBefore, defect];
}

// $1 to $7 as CHOSEN, $8 rows int
const FIND = statement(
  `
select id
from incoming_emails
where ${CHOSEN}
order by id
limit $8::integer`,
  { id: 'integer' },
);

// $1 to $7 as CHOSEN
const COUNT = statement(
  `
select count(*)::integer as count
from incoming_emails
where ${CHOSEN}`,
  { count: 'integer' },
);

const DEFECTS = statement(
  `
select distinct unnest(defects) as defect
from incoming_emails
order by 1`,
  { defect: 'text' },
);

// $1 email id int
const RAW = statement(
  `
select encoding, data, size_bytes, sha256, bucket_object
from email_raw
where email_id = $1::integer`,
  { encoding: 'text', data: 'bytea?', size_bytes: 'integer', sha256: 'text', bucket_object: 'text?' },
);

// $1 email id int
const EXISTS = statement('select from incoming_emails where id = $1::integer', {});

/** @returns ids of the next emails to parse again, lowest first */
export async function findSelectedIds(
  db: Queryable,
  choice: EmailSelection,
  limit: number,
): Promise<number[]> {
  const { rows } = await db.query(FIND, [...chosen(choice), limit]);
  return rows.map((row) => row.id);
}

export async function countSelected(db: Queryable, choice: EmailSelection): Promise<number> {
  return (await onlyRow(db, COUNT, chosen(choice))).count;
}

/** @returns the defects that stored emails have, each once, by name */
export async function listDefects(db: Queryable): Promise<string[]> {
  const { rows } = await db.query(DEFECTS);
  return rows.map((row) => row.defect);
}

export async function emailExists(db: Queryable, emailId: number): Promise<boolean> {
  return (await db.query(EXISTS, [emailId])).rowCount > 0;
}

/**
 * @param bucket null without ATTACHMENTS_BUCKET
 * @returns null when there is no such email
 * @throws {AppError} bucket_object_missing, bucket_unavailable, bucket_denied, bucket_not_set
 */
export async function readRawEmail(
  db: Queryable,
  emailId: number,
  bucket: Bucket | null,
): Promise<RawEmail | null> {
  const { rows } = await db.query(RAW, [emailId]);
  const row = rows[0];
  if (row === undefined) return null;
  // Its hash is that of the uncompressed bytes, which the caller checks.
  const data = row.data ?? (await readObject(requireBucket(bucket), row.bucket_object ?? '', null));
  // The only encoding that the table allows.
  return { encoding: 'gzip', data, sizeBytes: row.size_bytes, sha256: row.sha256 };
}
