/** The outbox: emails that are stored and not yet published. `storeEmail` inserts the rows. */
import type { Queryable } from '../db/database.ts';
import type { Lease } from '../db/lease.ts';
import { statement } from '../db/statement.ts';

// $1 mailbox id, $2 lease token, $3 limit
// No row: the outbox is empty, or the lease was lost.
const READ = statement(
  `
select o.id, o.email_id, m.email_address as mailbox, e.gmail_message_id, e.attachment_count > 0 as has_attachments
from email_outbox o
join incoming_emails e on e.id = o.email_id
join mailboxes m on m.id = o.mailbox_id
where o.mailbox_id = $1::integer
  and (select holds_lease($1::integer, $2::uuid))
order by o.id
limit $3::integer`,
  {
    id: 'bigint',
    email_id: 'integer',
    mailbox: 'text',
    gmail_message_id: 'text',
    has_attachments: 'boolean',
  },
);

/** An email to publish; `id` is that of its outbox row. */
export type UnpublishedEmail = NonNullable<(typeof READ)['row']>;

/** @returns the oldest rows in the order of their ids; none when the lease was lost */
export async function readOutbox(db: Queryable, lease: Lease, limit: number): Promise<UnpublishedEmail[]> {
  return (await db.query(READ, [lease.mailboxId, lease.token, limit])).rows;
}

// $1 ids of outbox rows
const DELETE = statement('delete from email_outbox where id = any ($1::bigint[])', {});

/** Call it for published emails. May run twice. */
export async function deleteFromOutbox(db: Queryable, ids: readonly number[]): Promise<void> {
  if (ids.length > 0) await db.query(DELETE, [ids]);
}
