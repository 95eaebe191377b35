/**
 * How many rows of the ledger are in each state: sums of changes that triggers write down (see migration 0004), read by
 * `status`. The runs add the changes up, so that there are never many.
 * What must stay true: adding up changes no sum, whoever writes or adds up meanwhile.
 */
import type { Queryable } from './database.ts';

/** A busy minute writes some 600; what a run leaves is read by every status in well under a millisecond. */
const WORTH_ROWS = 200;

/** An expression of SQL: there are so many that adding them up is worth it. */
export const HAS_LEDGER_CHANGES = `(
  select count(*)
  from (select 1 from ledger_changes limit ${WORTH_ROWS}) counted
) >= ${WORTH_ROWS}`;

/** After a backfill of a million there are many: no run is held up by them. */
const MOST_ROWS = 20_000;

// Two that add up at once take different rows: what one has locked, the other leaves.
// $1 most rows int
const ADD_UP = `
with taken as (
  select ctid
  from ledger_changes
  where ${HAS_LEDGER_CHANGES}
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
having sum(change) <> 0`;

/** May run at any time, and twice. */
export async function addUpLedgerChanges(db: Queryable): Promise<void> {
  await db.query(ADD_UP, [MOST_ROWS]);
}
