/**
 * The listing of a reconciliation, page by page. Every id is stored with whether the ledger knew it. Unknown ids enter the
 * ledger at once, so that they are fetched before the evaluation.
 * Invariant: an id keeps the `was_known` of its first listing, even when the listing restarts. Only a listing that restarts with
 * another label drops the ids.
 */
import type { Database, Queryable } from './database.ts';
import { assertHeld, type Lease } from './lease.ts';
import { upsertListed } from './ledger.ts';
import type { ListedPage, Rejection } from './list-jobs.ts';
import { camelCase, type RowOfStatement } from './rows.ts';
import { statement } from './statement.ts';

// Waits for an open gap, because mail that the gap has not found yet is not missing.
// $1 mailbox id
// No row: there is nothing to list now.
const NEXT = statement(
  `
select r.id, r.query, r.page_token, r.label_id, r.restart_count
from reconciliations r
where r.mailbox_id = $1::integer
  and r.evaluated_at is null
  and r.listed_at is null
  and r.not_before <= now()
  and not exists (
    select 1
    from list_jobs j
    where j.mailbox_id = $1::integer
      and j.purpose = 'gap'
      and j.finished_at is null
  )`,
  { id: 'bigint', query: 'text', page_token: 'text?', label_id: 'text?', restart_count: 'integer' },
);

/** `labelId` is that of the request that returned the page token; `restartCount` counts page tokens that Gmail rejected. */
export type OpenReconciliation = RowOfStatement<typeof NEXT>;

/** Returns the reconciliation whose listing can be continued now; null when there is none. */
export async function findOpenReconciliation(
  db: Queryable,
  mailboxId: number,
): Promise<OpenReconciliation | null> {
  const { rows } = await db.query(NEXT, [mailboxId]);
  return rows[0] === undefined ? null : camelCase(rows[0]);
}

// Locks the row for the transaction, so that an operator's request for a full reconciliation waits for the page.
// $1 reconciliation id, $2 query, $3 page token or null
// No row: the reconciliation was widened since the page was requested.
const LOCK = statement(
  `
select id
from reconciliations
where id = $1::bigint
  and query = $2::text
  and page_token is not distinct from $3::text
  and listed_at is null
for update`,
  { id: 'bigint' },
);

// $1 reconciliation id
const DROP_IDS = statement('delete from reconciliation_ids where reconciliation_id = $1::bigint', {});

// $1 reconciliation id, $2 mailbox id, $3 ids
// One row per id that was not listed before.
const KEEP_IDS = statement(
  `
insert into reconciliation_ids (reconciliation_id, gmail_message_id, was_known)
select $1::bigint, p.id, exists (
         select 1
         from email_ledger l
         where l.mailbox_id = $2::integer
           and l.gmail_message_id = p.id
       )
from unnest($3::text[]) as p (id)
on conflict do nothing
returning gmail_message_id, was_known`,
  { gmail_message_id: 'text', was_known: 'boolean' },
);

// The listing excludes spam and drafts and asks for the configured label. So a listed message that was ignored for one of
// these has other labels now, and one that was ignored as sent has the label, which overrides SENT. A listed message is not
// gone either. All are fetched, and the ignored ones are checked by their current labels. A message that an earlier
// reconciliation fetched, with the same result, is fetched again once per day, not at every reconciliation.
// $1 mailbox id, $2 ids, $3 label id of the listing or null
const REFETCH = statement(
  `
update email_ledger l
set state = 'pending',
    source = 'reconciliation',
    ignored_rule = null,
    labels_unknown = l.labels_unknown or l.state = 'ignored',
    listed_label_id = $3::text,
    attempt_count = 0,
    last_attempt_at = null,
    next_attempt_at = now(),
    error_code = null,
    error_detail = null,
    resolved_at = null
where l.mailbox_id = $1::integer
  and l.gmail_message_id = any ($2::text[])
  and (l.state = 'gone'
    or l.state = 'ignored' and (
      l.ignored_rule in ('spam', 'draft')
        or l.ignored_rule in ('label', 'sent') and $3::text is not null))
  and (l.source <> 'reconciliation' or l.resolved_at <= now() - interval '1 day')
returning l.gmail_message_id`,
  { gmail_message_id: 'text' },
);

// At the end of a listing that found unknown ids, the evaluation waits for the history to show them.
// $1 reconciliation id, $2 mailbox id, $3 lease token, $4 next page token or null, $5 settle seconds,
// $6 label id of the listing or null
// Touches no row: the lease was lost.
const MOVE = statement(`
update reconciliations
set page_token = $4::text,
    label_id = $6::text,
    error_code = null,
    error_detail = null,
    listed_at = case when $4::text is null then clock_timestamp() end,
    not_before = case
      when $4::text is null then clock_timestamp() + $5::integer * interval '1 second'
      else not_before
    end
where id = $1::bigint
  and holds_lease($2::integer, $3::uuid)`);

/**
 * Enters one page. May run twice. A page of a listing that has been replaced since is dropped: the new listing repeats it.
 *
 * @returns how many messages became pending
 * @throws {AppError} lease_lost
 */
export async function enterReconciliationPage(
  db: Database,
  { mailboxId, token }: Lease,
  { id, labelId, query, pageToken }: OpenReconciliation,
  page: ListedPage,
): Promise<number> {
  return await db.transaction(async (tx) => {
    const { rowCount: isCurrent } = await tx.query(LOCK, [id, query, pageToken]);
    if (isCurrent === 0) return 0;
    if (labelId !== page.labelId) await tx.query(DROP_IDS, [id]);
    const { rows } = await tx.query(KEEP_IDS, [id, mailboxId, page.ids]);
    const unknown = rows.filter((row) => !row.was_known).map((row) => row.gmail_message_id);
    const newCount = await upsertListed(tx, mailboxId, 'reconciliation', unknown, page.labelId);
    const refetched = await tx.query(REFETCH, [mailboxId, page.ids, page.labelId]);
    assertHeld(
      await tx.query(MOVE, [id, mailboxId, token, page.nextPageToken, page.settleSeconds, page.labelId]),
    );
    return newCount + refetched.rowCount;
  });
}

// $1 reconciliation id, $2 mailbox id, $3 lease token
const RESTART = statement(
  `
update reconciliations
set page_token = null,
    restart_count = restart_count + 1
where id = $1::bigint
  and holds_lease($2::integer, $3::uuid)`,
  {},
  { isRepeatable: false },
);

/** Restarts the listing after Gmail rejected its page token. @throws {AppError} lease_lost */
export async function restartReconciliation(db: Queryable, lease: Lease, id: number): Promise<void> {
  assertHeld(await db.query(RESTART, [id, lease.mailboxId, lease.token]));
}

// $1 reconciliation id, $2 mailbox id, $3 lease token, $4 error code, $5 error detail
const REJECT = statement(`
update reconciliations
set error_code = $4::text,
    error_detail = $5::text,
    page_token = null,
    restart_count = 0,
    not_before = now() + interval '1 hour'
where id = $1::bigint
  and holds_lease($2::integer, $3::uuid)`);

/** Records that Gmail rejected the listing, which then waits for an hour. @throws {AppError} lease_lost */
export async function rejectReconciliation(
  db: Queryable,
  { mailboxId, token }: Lease,
  id: number,
  { code, detail }: Rejection,
): Promise<void> {
  assertHeld(await db.query(REJECT, [id, mailboxId, token, code, detail]));
}
