/** What `status` shows of the mailboxes: read only, one statement. */
import type { Queryable } from './database.ts';
import { PRIORITY } from './ledger.ts';

export interface MailboxOverview {
  readonly emailAddress: string;
  readonly credentialFingerprint: string | null;
  readonly cursorHistoryId: string;
  readonly failureCount: number;
  readonly nextPollAt: Date | null;
  readonly lastSuccessAt: Date | null;
  readonly lastErrorCode: string | null;
  readonly lastError: string | null;
  readonly leaseHolder: string | null;
  readonly hintAt: Date | null;
  readonly watch: {
    readonly topic: string | null;
    readonly expiresAt: Date | null;
    readonly errorCode: string | null;
    readonly error: string | null;
  };
  /** Null before the first proof. */
  readonly proof: {
    readonly provedAt: Date;
    readonly since: Date | null;
    readonly gmailCount: number;
    readonly ledgerCount: number;
    readonly missingCount: number;
    /** The last one of the whole time since the first start; null before it. */
    readonly whole: {
      readonly provedAt: Date;
      readonly gmailCount: number;
      readonly missingCount: number;
    } | null;
  } | null;
  readonly id: number;
  readonly isListing: boolean;
  readonly ledger: Readonly<Record<'pending' | 'stored' | 'gone' | 'ignored' | 'dead', number>>;
  /** The oldest message that waits; null when none does. */
  readonly oldestPendingAt: Date | null;
}

const OVERVIEW = `
select m.email_address, m.credential_fingerprint, m.cursor_history_id, m.failure_count, m.next_poll_at,
       m.last_success_at, m.last_error_code, m.last_error, m.hint_at, m.id,
       m.watch_topic, m.watch_expires_at, m.watch_error_code, m.watch_error,
       m.proved_at, m.proved_since, m.proved_gmail_count, m.proved_ledger_count, m.proved_missing_count,
       m.whole_proved_at, m.whole_gmail_count, m.whole_missing_count,
       case when m.lease_expires_at > now() then m.lease_holder end as lease_holder,
       exists (
         select 1 from listings s
         where s.mailbox_id = m.id and s.finished_at is null and s.purpose <> 'proof' and s.not_before <= now(
       ))
         as is_listing,
       coalesce(l.counts, '{}') as counts,
       p.oldest_pending_at
from mailboxes m
left join lateral (
  select jsonb_object_agg(state, n) as counts
  from (
    select state, sum(change)::integer as n
    from ledger_changes
    where mailbox_id = m.id
    group by state
  ) by_state
) l on true
-- Without reading a whole backlog: what was never tried stands first in the index, the oldest first; what was tried is
-- little, and in no order of age.
left join lateral (
  select min(discovered_at) as oldest_pending_at
  from (
    (select discovered_at
     from email_ledger
     where mailbox_id = m.id and state = 'pending' and priority = ${PRIORITY.live} and last_attempt_at is null
     order by priority, last_attempt_at nulls first, id
     limit 1)
    union all
    (select discovered_at
     from email_ledger
     where mailbox_id = m.id and state = 'pending' and priority = ${PRIORITY.backlog} and last_attempt_at is null
     order by priority, last_attempt_at nulls first, id
     limit 1)
    union all
    select discovered_at
    from email_ledger
    where mailbox_id = m.id and state = 'pending' and last_attempt_at is not null
  ) waiting
) p on true
order by m.id`;

interface OverviewRow {
  email_address: string;
  credential_fingerprint: string | null;
  cursor_history_id: string;
  failure_count: number;
  next_poll_at: Date | null;
  last_success_at: Date | null;
  last_error_code: string | null;
  last_error: string | null;
  hint_at: Date | null;
  id: number;
  watch_topic: string | null;
  watch_expires_at: Date | null;
  watch_error_code: string | null;
  watch_error: string | null;
  proved_at: Date | null;
  proved_since: Date | null;
  proved_gmail_count: number | null;
  proved_ledger_count: number | null;
  proved_missing_count: number | null;
  whole_proved_at: Date | null;
  whole_gmail_count: number | null;
  whole_missing_count: number | null;
  lease_holder: string | null;
  is_listing: boolean;
  counts: Partial<Record<string, number>>;
  oldest_pending_at: Date | null;
}

export async function readOverview(db: Queryable): Promise<MailboxOverview[]> {
  const { rows } = await db.query<OverviewRow>(OVERVIEW);
  return rows.map((row) => ({
    emailAddress: row.email_address,
    credentialFingerprint: row.credential_fingerprint,
    cursorHistoryId: row.cursor_history_id,
    failureCount: row.failure_count,
    nextPollAt: row.next_poll_at,
    lastSuccessAt: row.last_success_at,
    lastErrorCode: row.last_error_code,
    lastError: row.last_error,
    leaseHolder: row.lease_holder,
    hintAt: row.hint_at,
    id: row.id,
    watch: {
      topic: row.watch_topic,
      expiresAt: row.watch_expires_at,
      errorCode: row.watch_error_code,
      error: row.watch_error,
    },
    proof: toProof(row),
    isListing: row.is_listing,
    ledger: {
      pending: row.counts['pending'] ?? 0,
      stored: row.counts['stored'] ?? 0,
      gone: row.counts['gone'] ?? 0,
      ignored: row.counts['ignored'] ?? 0,
      dead: row.counts['dead'] ?? 0,
    },
    oldestPendingAt: row.oldest_pending_at,
  }));
}

function toProof(row: OverviewRow): MailboxOverview['proof'] {
  if (row.proved_at === null) return null;
  return {
    provedAt: row.proved_at,
    since: row.proved_since,
    gmailCount: row.proved_gmail_count ?? 0,
    ledgerCount: row.proved_ledger_count ?? 0,
    missingCount: row.proved_missing_count ?? 0,
    whole:
      row.whole_proved_at === null
        ? null
        : {
            provedAt: row.whole_proved_at,
            gmailCount: row.whole_gmail_count ?? 0,
            missingCount: row.whole_missing_count ?? 0,
          },
  };
}
