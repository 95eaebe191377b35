/**
 * Erases emails: deletes everything that is stored of them, and keeps id, hash and time in the ledger. Called by `npm run erase`.
 * Invariant: an erased message stays `stored` in the ledger, so no listing fetches it again and no reconciliation misses it.
 */
import { createHmac } from 'node:crypto';
import type { DatabaseError } from 'pg';
import type { Queryable } from '../../shared/db/database.ts';
import { sqlStateOf } from '../../shared/db/pg-error.ts';
import { onlyRow } from '../../shared/db/rows.ts';
import { statement } from '../../shared/db/statement.ts';

/**
 * `sender`: the emails whose `sender_address` is this one; further authors are in no column. `mention`: the other emails with this
 * address in their recipients, subject, text, file names or message ids. `mailbox`: all emails of this mailbox. `email`: the email
 * with this id.
 */
export type ErasureKind = 'sender' | 'mention' | 'mailbox' | 'email';

export interface ErasureSelection {
  readonly kind: ErasureKind;
  /** The address in any case, or the id. */
  readonly value: string;
}

export interface ErasureCounts {
  readonly emailCount: number;
  readonly attachmentCount: number;
  readonly resultCount: number;
  /** Of the attachments and the compressed raw emails. */
  readonly byteCount: number;
  /** Stored emails whose sender is not known; 0 unless the kind is `sender`. */
  readonly noSenderCount: number;
}

/** Few enough that the rows are locked for well below a second. */
const BATCH = 50;
/** Of the raw emails of a batch; the last one may exceed it. A statement that deletes gigabytes would exceed its timeout. */
const BATCH_BYTES = 50 * 1_048_576;
/** Emails per statement. Searching 500 long texts for an address takes well below the statement timeout. */
const RANGE_EMAILS = 500;
const FOREIGN_KEY_VIOLATION = '23503';

/**
 * Whether the text has the address, and not only as a part of a longer one: joann@example.com and ann@example.com.au do not mention
 * ann@example.com. The pattern is slow, so `strpos` finds the candidates. In a URL an encoded character can precede the address.
 *
 * @param before what ends there belongs to the same address
 * @param after what begins there belongs to the same address
 */
function mentions(text: string, before: string, after: string): string {
  return `strpos(${text}, lower($2::text)) > 0
      and ${text} ~ concat('((?<=%[0-9a-f]{2})|(?<!${before}))', regexp_replace(lower($2::text), '(\\W)', '\\\\\\1', 'g'), '(?!${after})')`;
}

const TEXTS = `lower(concat_ws(' ', e.sender, e.recipients, array_to_string(e.delivered_to, ' '), e.subject, e.plain_text, e.body_text,
                        e.body_html))`;
const NAMES = `lower(concat_ws(' ', e.rfc822_message_id, e.in_reply_to, e.list_id,
                        (select string_agg(concat_ws(' ', a.filename, a.content_id), ' ')
                         from email_attachments a
                         where a.email_id = e.id)))`;

// PostgreSQL lowers both sides, because JavaScript lowers some letters differently. Names and ids have addresses after a number and
// before an extension, such as <1.ann@example.com> and ann@example.com.gz.
// $1 kind text, $2 value text
const IS_SELECTED = `case $1::text
    when 'sender' then lower(e.sender_address) = lower($2::text)
    when 'mention' then lower(e.sender_address) is distinct from lower($2::text)
      and (${mentions(TEXTS, '[a-z0-9]|[a-z0-9][._+-]', '-?[a-z0-9]|\\.[a-z]{2}\\M')} or ${mentions(NAMES, '[a-z0-9]', '-?[a-z0-9]')})
    when 'mailbox' then e.mailbox_id = (select m.id from mailboxes m where lower(m.email_address) = lower($2::text))
    when 'email' then e.id = $2::text::integer
  end`;

/** Needs the CTE `chosen` with the column id. Always one row. */
const COUNTS = `
select (select count(*) from chosen)::integer as email_count,
       (select count(*) from email_attachments a join chosen c on c.id = a.email_id)::integer as attachment_count,
       (select count(*) from email_results r join chosen c on c.id = r.email_id)::integer as result_count,
       ((select coalesce(sum(a.file_size_bytes), 0) from email_attachments a join chosen c on c.id = a.email_id)
         + (select coalesce(sum(coalesce(octet_length(w.data), w.bucket_bytes)), 0) from email_raw w join chosen c on c.id = w.email_id))::bigint as byte_count`;

// $1 kind text, $2 value text, $3 ids above int, $4 ids up to int
const COUNT = statement(
  `
with chosen as materialized (
  select e.id
  from incoming_emails e
  where e.id > $3::integer
    and e.id <= $4::integer
    and ${IS_SELECTED}
)
${COUNTS},
       (select count(*)
        from incoming_emails e
        where $1::text = 'sender'
          and e.id > $3::integer
          and e.id <= $4::integer
          and e.sender_address is null)::integer as no_sender_count`,
  {
    email_count: 'integer',
    attachment_count: 'integer',
    result_count: 'integer',
    byte_count: 'bigint',
    no_sender_count: 'integer',
  },
);

// One statement, so that emails, ledger and audit row change together. The cascade deletes attachments, raw bytes, search words,
// queue, results and outbox.
// $1 kind text, $2 value text, $3 ids above int, $4 ids up to int, $5 emails int, $6 id of the erasure bigint, $7 bytes bigint
// Always one row; last_id is null when no emails are left.
const ERASE_NEXT = statement(
  `
with locked as materialized (
  select e.id, e.mailbox_id, e.gmail_message_id, e.size_bytes
  from incoming_emails e
  where e.id > $3::integer
    and e.id <= $4::integer
    and ${IS_SELECTED}
  order by e.id
  limit $5::integer
  for update
),
chosen as materialized (
  select id, mailbox_id, gmail_message_id
  from (select l.*, sum(l.size_bytes) over (order by l.id) - l.size_bytes as bytes_before from locked l) summed
  where bytes_before < $7::bigint
),
counts as materialized (${COUNTS}),
kept as (
  update email_ledger l
  set erased_at = now(),
      erased_sha256 = (select w.sha256 from email_raw w where w.email_id = c.id),
      error_code = null,
      error_detail = null
  from chosen c
  where l.mailbox_id = c.mailbox_id
    and l.gmail_message_id = c.gmail_message_id
),
audited as (
  update erasures r
  set email_count = r.email_count + n.email_count,
      attachment_count = r.attachment_count + n.attachment_count,
      result_count = r.result_count + n.result_count,
      byte_count = r.byte_count + n.byte_count
  from counts n
  where r.id = $6::bigint
    and n.email_count > 0
),
erased as (
  delete from incoming_emails e
  using chosen c
  where e.id = c.id
)
select email_count, (select max(id) from chosen) as last_id
from counts`,
  { email_count: 'integer', last_id: 'integer?' },
);

// Ids have gaps: after a restore of 50 million.
// $1 id int, $2 emails int
// Always one row; null when no emails follow.
const END_OF_RANGE = statement(
  `
select max(id) as id
from (
  select id
  from incoming_emails
  where id > $1::integer
  order by id
  limit $2::integer
) range`,
  { id: 'integer?' },
);

// $1 kind text, $2 hash text
const BEGIN = statement(
  `
insert into erasures (selected_by, selector_hmac)
values ($1::text, $2::text)
returning id`,
  { id: 'bigint' },
);

// $1 id bigint
const END = statement(`
update erasures
set ended_at = clock_timestamp()
where id = $1::bigint`);

// The schemas in which consumers keep data of their own.
const CONSUMER_SCHEMAS = statement(
  `
select n.nspname::text as name
from pg_namespace n
join consumers c on c.name = n.nspname
order by 1`,
  { name: 'text' },
);

/** Reads only. */
export async function countErasable(db: Queryable, selection: ErasureSelection): Promise<ErasureCounts> {
  const { kind, value } = selection;
  const total = { emailCount: 0, attachmentCount: 0, resultCount: 0, byteCount: 0, noSenderCount: 0 };
  for await (const { after, upTo } of idRanges(db, selection)) {
    const counts = await onlyRow(db, COUNT, [kind, value, after, upTo]);
    total.emailCount += counts.email_count;
    total.attachmentCount += counts.attachment_count;
    total.resultCount += counts.result_count;
    total.byteCount += counts.byte_count;
    total.noSenderCount += counts.no_sender_count;
  }
  return total;
}

interface IdRange {
  readonly after: number;
  readonly upTo: number;
}

/** Ranges of ids up to the newest email, also one that is stored in the meantime. */
async function* idRanges(db: Queryable, { kind, value }: ErasureSelection): AsyncGenerator<IdRange> {
  if (kind === 'email') return yield { after: Number(value) - 1, upTo: Number(value) };
  for (let after = 0; ; ) {
    const upTo: number | null = (await onlyRow(db, END_OF_RANGE, [after, RANGE_EMAILS])).id;
    if (upTo === null) return;
    yield { after, upTo };
    after = upTo;
  }
}

/** Returns the names of the schemas whose content no erasure reaches. */
export async function readConsumerSchemas(db: Queryable): Promise<string[]> {
  return (await db.query(CONSUMER_SCHEMAS)).rows.map(({ name }) => name);
}

/**
 * Writes the audit row.
 *
 * @param key without which the hash reveals nothing
 * @returns its id
 */
export async function beginErasure(
  db: Queryable,
  { kind, value }: { readonly kind: Exclude<ErasureKind, 'mention'>; readonly value: string },
  key: string,
): Promise<number> {
  const hmac = createHmac('sha256', key).update(value.toLowerCase()).digest('hex');
  return (await onlyRow(db, BEGIN, [kind, hmac])).id;
}

/**
 * Erases the emails in the order of their ids and adds them to the audit row, in one commit per batch.
 *
 * @returns the number of emails of each commit, which may be 0
 * @throws {Error} when a foreign key of a consumer refers to an email without `on delete cascade`; nothing is erased of its batch
 */
export async function* eraseInBatches(
  db: Queryable,
  erasureId: number,
  selection: ErasureSelection,
): AsyncGenerator<number> {
  const { kind, value } = selection;
  for await (const { after, upTo } of idRanges(db, selection)) {
    for (let afterId: number | null = after; afterId !== null; ) {
      const parameters: unknown[] = [kind, value, afterId, upTo, BATCH, erasureId, BATCH_BYTES];
      const erased = await onlyRow(db, ERASE_NEXT, parameters).catch(throwBlocked);
      yield erased.email_count;
      afterId = erased.last_id;
    }
  }
}

/** The names only: the message of PostgreSQL has values. */
function throwBlocked(error: unknown): never {
  if (sqlStateOf(error) !== FOREIGN_KEY_VIOLATION) throw error;
  const { constraint, schema, table } = (error as Error).cause as DatabaseError;
  throw new Error(
    `The foreign key ${constraint} of the table ${schema}.${table} blocks the erasure. Delete its rows first, or declare it with ` +
      '`on delete cascade`. Then run the command again.',
    { cause: error },
  );
}

export async function endErasure(db: Queryable, erasureId: number): Promise<void> {
  await db.query(END, [erasureId]);
}
