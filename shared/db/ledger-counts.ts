/**
 * The number of ledger rows in each state, kept as a sum of changes: triggers insert the changes, `status` sums them, and
 * runs compact them, so that there are never many.
 * Invariant: compacting changes no sum, whatever writes or compacts at the same time.
 */
import type { Queryable } from './database.ts';
import { statement } from './statement.ts';

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
