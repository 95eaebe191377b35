/**
 * Keeps tables small that only grow: removes reconciliations and list jobs after 90 days and closed incidents after a year, and
 * adds up the changes of the ledger counts. Scheduled runs call it when the SQL functions `has_old_records` and
 * `has_many_ledger_changes` are true.
 */
import type { Queryable } from './database.ts';
import { statement } from './statement.ts';

/** Reconciliations and list jobs. */
const RECORD_DAYS = 90;
const INCIDENT_DAYS = 365;
/** Per table and call: about five days of reconciliations. */
const PRUNED_ROWS = 500;

// $1 days of a record, $2 days of an incident, $3 rows per table
// One row: how many rows were removed.
const PRUNE = statement(
  `
with old_reconciliations as (
  delete from reconciliations
  where id in (
    select id
    from reconciliations
    where evaluated_at < now() - $1::integer * interval '1 day'
    order by id
    limit $3::integer
  )
  returning 1
),
old_list_jobs as (
  delete from list_jobs
  where id in (
    select id
    from list_jobs
    where finished_at < now() - $1::integer * interval '1 day'
    order by finished_at
    limit $3::integer
  )
  returning 1
),
old_incidents as (
  delete from incidents
  where id in (
    select id
    from incidents
    where closed_at < now() - $2::integer * interval '1 day'
    order by id
    limit $3::integer
  )
  returning 1
)
select (select count(*) from old_reconciliations)
         + (select count(*) from old_list_jobs)
         + (select count(*) from old_incidents) as removed_count`,
  { removed_count: 'bigint' },
);

/** Removes some of the oldest records. May run at any time, also twice at once. @returns how many */
export async function pruneOldRecords(db: Queryable): Promise<number> {
  const { rows } = await db.query(PRUNE, [RECORD_DAYS, INCIDENT_DAYS, PRUNED_ROWS]);
  return rows[0]?.removed_count ?? 0;
}

/** A backfill of a million messages leaves many rows: at most this number per call, so that no run is delayed. */
const MAX_ROWS = 20_000;

// Concurrent calls take different rows, because each skips what another has locked.
// $1 max rows int
const COMPACT = statement(
  `
with taken as (
  select ctid
  from ledger_changes
  where has_many_ledger_changes()
  limit $1::integer
  for update skip locked
),
removed as (
  delete from ledger_changes
  where ctid = any (array(select ctid from taken))
  returning mailbox_id, state, change
)
insert into ledger_changes (mailbox_id, state, change)
select mailbox_id, state, sum(change)
from removed
group by mailbox_id, state
having sum(change) <> 0`,
  {},
);

/** Replaces changes by their sums, when `has_many_ledger_changes` is true. May run at any time, and twice. */
export async function addUpLedgerChanges(db: Queryable): Promise<void> {
  await db.query(COMPACT, [MAX_ROWS]);
}
