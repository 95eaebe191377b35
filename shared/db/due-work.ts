/**
 * The work that a run has besides listing the history, read in one statement, so that an idle poll queries once.
 * Invariant: a flag is false only when its step would find nothing to do.
 */
import type { Queryable } from './database.ts';
import { camelCase, onlyRow, type RowOfStatement } from './rows.ts';
import { statement } from './statement.ts';

// Each condition reads one row, or a partial index that is normally empty. `order by ... limit 1` makes the planner use the
// index; for `exists` it may scan the whole ledger when there is a backlog.
// $1 mailbox id, $2 seconds between reconciliations, $3 days of retention or null
const READ = statement(
  `
select exists (
         select 1
         from email_monitor_status s
         where s.id = 1
           and s.is_running
           and not exists (
             select 1
             from mailbox_settings p
             where p.mailbox_id = $1::integer
               and p.is_paused
           )
       ) as is_running,
       (
         select id
         from email_ledger
         where mailbox_id = $1::integer
           and priority = 0
           and state = 'pending'
           and last_attempt_at is null
           and claim_token is null
           and not is_crash_suspect
         order by id
         limit 1
       ) is not null as has_untried_live,
       (
         select id
         from email_ledger
         where mailbox_id = $1::integer
           and priority = 1
           and state = 'pending'
           and last_attempt_at is null
           and claim_token is null
           and not is_crash_suspect
         order by id
         limit 1
       ) is not null as has_untried_backlog,
       (
         select id
         from email_ledger
         where mailbox_id = $1::integer
           and state in ('pending', 'dead')
           and last_attempt_at is not null
           and next_attempt_at <= now()
           and given_up_at is null
         order by next_attempt_at
         limit 1
       ) is not null as has_due_retry,
       (
         select id
         from email_ledger
         where mailbox_id = $1::integer
           and state = 'pending'
           and last_attempt_at is not null
           and next_attempt_at > now()
         order by next_attempt_at
         limit 1
       ) is not null as has_waiting,
       exists (
         select 1
         from email_ledger
         where mailbox_id = $1::integer
           and (claim_token is not null or is_crash_suspect)
           and is_crash_suspect
           and next_attempt_at <= now()
       ) as has_suspect,
       has_due_list_job($1::integer) as has_list_job,
       is_reconciliation_due($1::integer, $2::integer) as is_reconciliation_due,
       has_open_reconciliation($1::integer) as has_open_reconciliation,
       exists (
         select 1
         from incidents
         where mailbox_id = $1::integer
           and closed_at is null
       ) as has_open_incident,
       has_old_records() as has_old_records,
       has_old_email_accesses() as has_old_email_accesses,
       has_old_runs() as has_old_runs,
       has_many_ledger_changes($1::integer) as has_ledger_changes,
       $3::integer is not null and has_expired_emails($3::integer) as has_expired_emails,
       has_old_bucket_objects() as has_old_bucket_objects`,
  {
    /** False when an operator stopped the monitor, or paused the mailbox, during the run. */
    is_running: 'boolean',
    /** Messages that were never tried. */
    has_untried_live: 'boolean',
    has_untried_backlog: 'boolean',
    /** Failed messages whose next attempt is due, including dead ones. */
    has_due_retry: 'boolean',
    /** Failed messages whose next attempt is not due yet. */
    has_waiting: 'boolean',
    /** Messages that may have crashed a process: fetched alone. */
    has_suspect: 'boolean',
    has_list_job: 'boolean',
    is_reconciliation_due: 'boolean',
    has_open_reconciliation: 'boolean',
    has_open_incident: 'boolean',
    /** For `pruneOldRecords`, `pruneEmailAccesses`, `pruneRuns`, `compactLedgerChanges` and `collectObjects`. */
    has_old_records: 'boolean',
    has_old_email_accesses: 'boolean',
    has_old_runs: 'boolean',
    has_ledger_changes: 'boolean',
    /** For `eraseExpiredEmails`. False without retention. */
    has_expired_emails: 'boolean',
    has_old_bucket_objects: 'boolean',
  },
);

export type DueWork = RowOfStatement<typeof READ>;

/** @param retentionDays null: without retention */
export async function readDueWork(
  db: Queryable,
  mailboxId: number,
  reconcileEverySeconds: number,
  retentionDays: number | null = null,
): Promise<DueWork> {
  return camelCase(await onlyRow(db, READ, [mailboxId, reconcileEverySeconds, retentionDays]));
}

/** The run has messages to fetch. A waiting message counts, because each run tries one before its time. */
export function hasMessages(due: DueWork): boolean {
  return due.hasUntriedLive || due.hasUntriedBacklog || due.hasDueRetry || due.hasWaiting || due.hasSuspect;
}
