/** The mailboxes of a deployment as `npm run mailbox -- list` shows them: the first one, the added ones, and those not read. */
import type { Queryable } from '../../shared/db/database.ts';
import { camelCase } from '../../shared/db/rows.ts';
import { statement } from '../../shared/db/statement.ts';
import type { MailboxSettings } from '../../shared/mailboxes/mailbox-settings.ts';

export interface ListedMailbox {
  readonly emailAddress: string;
  /** Null: no credentials are known for it, so it is not read. */
  readonly access: MailboxSettings['access'] | null;
  readonly label: string | null;
  readonly initialQuery: string | null;
  readonly isPaused: boolean;
  /** False until Gmail has answered for this mailbox once. */
  readonly isIdentified: boolean;
  /** `is_running` of the whole monitor. */
  readonly isRunning: boolean;
  readonly failureCount: number;
  /** Null before the first success. */
  readonly lastSuccessAt: Date | null;
  /** The last run ended after the last success: it failed, or Gmail did not answer. */
  readonly isUnanswered: boolean;
  /** Of the last attempt; null when it succeeded. */
  readonly lastErrorCode: string | null;
  readonly lastError: string | null;
  /** Null until the mailbox is identified. */
  readonly storedCount: number | null;
}

const LIST = statement(
  `
select coalesce(m.email_address, s.email_address) as email_address,
       coalesce(s.access, case when m.credential_fingerprint = f.credential_fingerprint then 'environment' end) as access,
       s.label, s.initial_query,
       coalesce(s.is_paused, false) as is_paused,
       m.id is not null as is_identified,
       f.is_running,
       coalesce(m.failure_count, s.failure_count) as failure_count,
       m.last_success_at,
       coalesce(m.last_run_ended_at > m.last_success_at, false) as is_unanswered,
       case when m.id is null then s.last_error_code else m.last_error_code end as last_error_code,
       case when m.id is null then s.last_error else m.last_error end as last_error,
       case when m.id is not null then coalesce(c.stored_count, 0) end as stored_count
from mailbox_settings s
full join mailboxes m on m.id = s.mailbox_id
cross join email_monitor_status f
left join lateral (
  select sum(change) as stored_count
  from ledger_changes
  where mailbox_id = m.id
    and state = 'stored'
) c on true
order by coalesce(m.credential_fingerprint = f.credential_fingerprint, false) desc, 1`,
  {
    email_address: 'text',
    access: 'text?',
    label: 'text?',
    initial_query: 'text?',
    is_paused: 'boolean',
    is_identified: 'boolean',
    is_running: 'boolean',
    failure_count: 'integer',
    last_success_at: 'timestamp with time zone?',
    is_unanswered: 'boolean',
    last_error_code: 'text?',
    last_error: 'text?',
    stored_count: 'bigint?',
  },
);

/** @returns the first mailbox first, the others by address */
export async function listAllMailboxes(db: Queryable): Promise<ListedMailbox[]> {
  const { rows } = await db.query(LIST);
  return rows.map((row) => ({ ...camelCase(row), access: row.access as ListedMailbox['access'] }));
}
