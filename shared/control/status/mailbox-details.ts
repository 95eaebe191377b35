/** What `status` shows of a mailbox beyond its state: read for the mailboxes that are shown, at most 100. Reads only. */
import type { Queryable } from '../../db/database.ts';
import { statement } from '../../db/statement.ts';

// $1 mailbox ids
// One row per mailbox.
const DETAILS = statement(
  `
select m.id, m.cursor_history_id,
       case when m.lease_expires_at > now() then m.lease_holder end as lease_holder,
       p.oldest_pending_at
from mailboxes m
-- The first row of each priority by idx_email_ledger_pending, so that a backlog is not read.
left join lateral (
  select min(first.discovered_at) as oldest_pending_at
  from (values (0::smallint), (1::smallint)) priorities (priority)
  cross join lateral (
    select discovered_at
    from email_ledger
    where mailbox_id = m.id
      and state = 'pending'
      and priority = priorities.priority
    order by discovered_at
    limit 1
  ) first
) p on true
where m.id = any ($1::integer[])`,
  {
    id: 'integer',
    cursor_history_id: 'numeric',
    lease_holder: 'text?',
    oldest_pending_at: 'timestamp with time zone?',
  },
);

export type MailboxDetails = NonNullable<(typeof DETAILS)['row']>;

/** Returns the details by mailbox id. */
export async function readMailboxDetails(
  db: Queryable,
  mailboxIds: readonly number[],
): Promise<Map<number, MailboxDetails>> {
  const { rows } = await db.query(DETAILS, [mailboxIds]);
  return new Map(rows.map((row) => [row.id, row]));
}
