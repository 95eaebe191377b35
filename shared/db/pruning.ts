/**
 * Keeps growing tables small. It deletes runs, reconciliations and list jobs after 90 days, and closed incidents and email
 * accesses after a year. It compacts the changes of the ledger counts. Scheduled runs call it when the SQL functions
 * `has_old_runs`, `has_old_records`, `has_old_email_accesses` and `has_many_ledger_changes` are true.
 */
import type { Queryable } from './database.ts';
import { onlyRow } from './rows.ts';
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

/** Deletes some of the oldest records. May run at any time, even concurrently. @returns how many */
export async function pruneOldRecords(db: Queryable): Promise<number> {
  return (await onlyRow(db, PRUNE, [RECORD_DAYS, INCIDENT_DAYS, PRUNED_ROWS])).removed_count;
}

/** The log may keep its lines for longer. */
const RUN_DAYS = 90;
/** Per call. Gmail pushes at most once per second, 86,400 runs per day, and 1,440 polls per day prune. */
const PRUNED_RUNS = 2_000;

// $1 days, $2 rows
const PRUNE_RUNS = statement(
  `
delete from ingest_runs
where id in (
  select id
  from ingest_runs
  where started_at < now() - $1::integer * interval '1 day'
  order by started_at
  limit $2::integer
)`,
);

/** Deletes some of the oldest runs. May run twice. @returns how many */
export async function pruneRuns(db: Queryable): Promise<number> {
  const { rowCount } = await db.query(PRUNE_RUNS, [RUN_DAYS, PRUNED_RUNS]);
  return rowCount;
}

const EMAIL_ACCESS_DAYS = 365;

// $1 days, $2 rows
const PRUNE_EMAIL_ACCESSES = statement(
  `
delete from email_accesses
where id in (
  select id
  from email_accesses
  where accessed_at < now() - $1::integer * interval '1 day'
  order by id
  limit $2::integer
)`,
);

/** Deletes some of the oldest records of who read which email. May run twice. @returns how many */
export async function pruneEmailAccesses(db: Queryable): Promise<number> {
  const { rowCount } = await db.query(PRUNE_EMAIL_ACCESSES, [EMAIL_ACCESS_DAYS, PRUNED_ROWS]);
  return rowCount;
}

/** Rows per call. A backfill of a million messages leaves many rows, and compaction must not delay a run. */
const COMPACTED_ROWS = 20_000;

// Concurrent calls take different rows, because each skips the rows that another call has locked.
// $1 mailbox id, $2 rows
const COMPACT = statement(
  `
with taken as (
  select ctid
  from ledger_changes
  where has_many_ledger_changes($1::integer)
    and mailbox_id = $1::integer
  limit $2::integer
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
);

/** Replaces the changes of a mailbox by their sums, if `has_many_ledger_changes` is true. May run at any time, and twice. */
export async function compactLedgerChanges(db: Queryable, mailboxId: number): Promise<void> {
  await db.query(COMPACT, [mailboxId, COMPACTED_ROWS]);
}
