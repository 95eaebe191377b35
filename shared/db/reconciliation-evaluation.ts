/**
 * The evaluation of a listed reconciliation: counts its ids by their ledger state. It runs in slices, one transaction each,
 * because one statement over all ids of a large mailbox can exceed the statement timeout. Any later run continues it.
 * Invariant: every id is counted once, so that gmail = stored + pending + failed + ignored + gone + missing after each slice.
 */
import type { Database, Queryable } from './database.ts';
import { closeMissing, openIncident } from './incidents.ts';
import type { Lease } from './lease.ts';
import { camelCase, type RowOfStatement } from './rows.ts';
import { statement } from './statement.ts';

/** Ids counted or deleted per statement: fast enough on a small database with cold caches. */
const SLICE_COUNT = 5_000;
/** Missing ids in the detail of the incident; the ledger has them all. */
const MAX_NAMED_IDS = 20;

// A reconciliation can be evaluated once it is listed and, after the settle time, a run has listed the history to its end. One
// without unknown ids need not wait. The ledger row of an id that the history showed has a history id. An id that a rule
// excluded is not received mail, so it cannot be missing. An erased email is still stored in the ledger.
// The row is locked, so that an operator's request for a full reconciliation waits for the slice.
// $1 mailbox id, $2 lease token, $3 start of the run, $4 ids per slice, $5 number of missing ids to keep
// No row: none can be evaluated, or the lease was lost. A slice that is not full is the last one.
const EVALUATE = statement(
  `
with due as (
  select r.id, r.evaluated_to
  from reconciliations r
  where r.mailbox_id = $1::integer
    and r.evaluated_at is null
    and r.listed_at is not null
    and (r.not_before <= $3::timestamptz or not exists (
      select 1
      from reconciliation_ids i
      where i.reconciliation_id = r.id
        and not i.was_known
    ))
    and holds_lease($1::integer, $2::uuid)
  for no key update of r
),
slice as (
  select i.gmail_message_id, i.was_known
  from due d
  cross join lateral (
    select gmail_message_id, was_known
    from reconciliation_ids
    where reconciliation_id = d.id
      and gmail_message_id > coalesce(d.evaluated_to, '')
    order by gmail_message_id
    limit $4::integer
  ) i
),
outcomes as (
  select s.gmail_message_id,
         case
           when l.id is null then 'missing'
           when not s.was_known and l.history_id is null and l.state <> 'ignored' then 'missing'
           when l.state = 'dead' or (l.state = 'pending' and l.error_code is not null) then 'failed'
           else l.state
         end as outcome
  from slice s
  -- The limit makes the planner look up each id, because it does not know how small a slice is.
  left join lateral (
    select id, state, history_id, error_code
    from email_ledger
    where mailbox_id = $1::integer
      and gmail_message_id = s.gmail_message_id
    limit 1
  ) l on true
),
counts as (
  select count(*) as gmail_count,
         count(*) filter (where outcome = 'stored') as stored_count,
         count(*) filter (where outcome = 'pending') as pending_count,
         count(*) filter (where outcome = 'failed') as failed_count,
         count(*) filter (where outcome = 'ignored') as ignored_count,
         count(*) filter (where outcome = 'gone') as gone_count,
         count(*) filter (where outcome = 'missing') as missing_count,
         coalesce(
           (array_agg(gmail_message_id order by gmail_message_id) filter (where outcome = 'missing'))
             [1:$5::integer],
           '{}') as missing_ids,
         max(gmail_message_id) as last_id
  from outcomes
)
update reconciliations r
set evaluated_to = coalesce(c.last_id, r.evaluated_to),
    evaluated_at = case when c.gmail_count < $4::integer then now() end,
    gmail_count = coalesce(r.gmail_count, 0) + c.gmail_count,
    stored_count = coalesce(r.stored_count, 0) + c.stored_count,
    pending_count = coalesce(r.pending_count, 0) + c.pending_count,
    failed_count = coalesce(r.failed_count, 0) + c.failed_count,
    ignored_count = coalesce(r.ignored_count, 0) + c.ignored_count,
    gone_count = coalesce(r.gone_count, 0) + c.gone_count,
    missing_count = coalesce(r.missing_count, 0) + c.missing_count,
    missing_ids = (r.missing_ids || c.missing_ids)[1:$5::integer]
from due d
cross join counts c
where r.id = d.id
returning r.id, r.evaluated_at is not null as is_evaluated, r.is_full, r.window_begins_at, r.gmail_count, r.stored_count,
          r.pending_count, r.failed_count, r.ignored_count, r.gone_count, r.missing_count, r.missing_ids`,
  {
    id: 'bigint',
    is_evaluated: 'boolean',
    is_full: 'boolean',
    window_begins_at: 'timestamp with time zone',
    /** Ids that Gmail listed, each once: the sum of the others. */
    gmail_count: 'integer',
    stored_count: 'integer',
    pending_count: 'integer',
    /** Dead, or pending after an error. */
    failed_count: 'integer',
    ignored_count: 'integer',
    gone_count: 'integer',
    missing_count: 'integer',
    missing_ids: 'text[]',
  },
);

export interface ReconciliationResult
  extends Omit<RowOfStatement<typeof EVALUATE>, 'isEvaluated' | 'missingIds'> {
  /** Opened by this result; null when nothing is missing. */
  readonly incidentId: number | null;
}

/**
 * Counts the next slice of the open reconciliation. The last slice closes it. It then opens an incident if messages are
 * missing, and otherwise closes the incidents of earlier reconciliations.
 *
 * @param runStartedAt database time; the run has listed the history to its end since
 * @returns `more` while ids are left to count; null when none can be evaluated yet
 */
export async function evaluateSlice(
  db: Database,
  lease: Lease,
  runStartedAt: Date,
  sliceCount = SLICE_COUNT,
): Promise<ReconciliationResult | 'more' | null> {
  const { mailboxId, token } = lease;
  return await db.transaction(async (tx) => {
    const { rows } = await tx.query(EVALUATE, [mailboxId, token, runStartedAt, sliceCount, MAX_NAMED_IDS]);
    const row = rows[0];
    if (row === undefined) return null;
    const { isEvaluated, missingIds, ...result } = camelCase(row);
    if (!isEvaluated) return 'more';
    if (result.missingCount === 0) {
      await closeMissing(tx, mailboxId);
      return { ...result, incidentId: null };
    }
    const incidentId = await openIncident(tx, mailboxId, 'missing_found', {
      reconciliation_id: result.id,
      gmail_count: result.gmailCount,
      missing_count: result.missingCount,
      gmail_message_ids: missingIds,
    });
    return { ...result, incidentId };
  });
}

// Not fenced by the lease: the ids of evaluated reconciliations are no longer needed. Reads the last ten, because a process can
// die before it has deleted their ids.
// $1 mailbox id, $2 ids per batch
const REMOVE_IDS = statement(`
delete from reconciliation_ids
where ctid = any (array(
  select i.ctid
  from (
    select id
    from reconciliations
    where mailbox_id = $1::integer
      and evaluated_at is not null
    order by evaluated_at desc
    limit 10
  ) r
  join reconciliation_ids i on i.reconciliation_id = r.id
  limit $2::integer
))`);

/** Deletes a batch of ids of evaluated reconciliations. May run twice. @returns false when none are left */
export async function removeEvaluatedIds(
  db: Queryable,
  mailboxId: number,
  batchCount = SLICE_COUNT,
): Promise<boolean> {
  const { rowCount } = await db.query(REMOVE_IDS, [mailboxId, batchCount]);
  return rowCount === batchCount;
}
