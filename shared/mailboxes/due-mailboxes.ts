/**
 * The added mailboxes as `poll` sees them: which are due, and all of them for an operator's request. With thousands of idle
 * mailboxes, the statements read each row once and probe the ledger only for mailboxes with open work.
 */
import type { Queryable } from '../db/database.ts';
import { camelCase, onlyRow } from '../db/rows.ts';
import { statement } from '../db/statement.ts';
import { type MailboxSettings, SETTINGS, settingsOf, toSettings } from './mailbox-settings.ts';

export interface ActiveMailbox extends MailboxSettings {
  /** Database time of the begin; null before the first run. */
  readonly lastRunAt: Date | null;
}

const LISTED = { ...SETTINGS, last_run_at: 'timestamp with time zone?' } as const;

// Each recursive part lists the mailboxes of a partial index: one probe per mailbox with work, whatever the backlog. Only for
// these is `is_poll_due` called, because its probes would take most of the time. A mailbox with a live lease is being worked on.
const LIST_DUE = statement(
  `
with recursive pending (mailbox_id) as (
  select min(mailbox_id)
  from email_ledger
  where state = 'pending'
  union all
  select (select min(l.mailbox_id) from email_ledger l where l.state = 'pending' and l.mailbox_id > p.mailbox_id)
  from pending p
  where p.mailbox_id is not null
),
dead (mailbox_id) as (
  select min(mailbox_id)
  from email_ledger
  where state = 'dead'
  union all
  select (select min(l.mailbox_id) from email_ledger l where l.state = 'dead' and l.mailbox_id > d.mailbox_id)
  from dead d
  where d.mailbox_id is not null
),
listing (mailbox_id) as (
  select min(mailbox_id)
  from list_jobs
  where finished_at is null
  union all
  select (select min(j.mailbox_id) from list_jobs j where j.finished_at is null and j.mailbox_id > l.mailbox_id)
  from listing l
  where l.mailbox_id is not null
),
busy (mailbox_id) as (
  select mailbox_id from pending where mailbox_id is not null
  union
  select mailbox_id from dead where mailbox_id is not null
  union
  select mailbox_id from listing where mailbox_id is not null
)
select ${settingsOf('s')}, m.last_run_at
from mailbox_settings s
left join mailboxes m on m.id = s.mailbox_id
where s.access <> 'environment'
  and not s.is_paused
  and coalesce(m.lease_expires_at <= now(), true)
  and case
    when m.id is null then coalesce(s.next_attempt_at <= now(), true)
    when coalesce(m.next_poll_at <= now(), true) then true
    when m.failure_count > 0 then false
    -- Implied by has_newer_hint, and cheaper.
    when m.hint_history_id > least(coalesce(m.listed_history_id, 0), coalesce(m.shown_history_id, 0))
      and has_newer_hint(m) then true
    when m.id in (select mailbox_id from busy) then is_poll_due(m)
    else false
  end
order by coalesce(m.last_run_at, s.next_attempt_at, s.added_at), s.id`,
  LISTED,
);

/**
 * The added mailboxes that a poll has to work on, the longest waiting first. Agrees with `is_poll_due`. Paused ones are left
 * out, and those that an instance works on.
 */
export async function listDueMailboxes(db: Queryable): Promise<ActiveMailbox[]> {
  const { rows } = await db.query(LIST_DUE);
  return rows.map(toListed);
}

const LIST_ACTIVE = statement(
  `
select ${settingsOf('s')}, m.last_run_at
from mailbox_settings s
left join mailboxes m on m.id = s.mailbox_id
where s.access <> 'environment'
  and not s.is_paused
order by coalesce(m.last_run_at, s.next_attempt_at, s.added_at), s.id`,
  LISTED,
);

/** All added mailboxes that are not paused, the longest waiting first. */
export async function listActiveMailboxes(db: Queryable): Promise<ActiveMailbox[]> {
  const { rows } = await db.query(LIST_ACTIVE);
  return rows.map(toListed);
}

function toListed({ last_run_at: lastRunAt, ...row }: NonNullable<(typeof LIST_DUE)['row']>): ActiveMailbox {
  return { ...toSettings(row), lastRunAt };
}

// A run publishes what earlier runs of its mailbox left. The mailboxes of unpublished_ids have no run now: paused, removed, of earlier
// credentials of the environment, not due, or the monitor is stopped.
// $1 fingerprint of the first mailbox, $2 an operator asked for a run of each mailbox
const FIND_WORK = statement(
  `
with recursive unpublished (mailbox_id) as (
  select min(mailbox_id)
  from email_outbox
  union all
  select (select min(o.mailbox_id) from email_outbox o where o.mailbox_id > u.mailbox_id)
  from unpublished u
  where u.mailbox_id is not null
)
select exists (
         select 1
         from mailbox_settings
         where access <> 'environment'
       ) as has_added,
       array(
         select m.id
         from unpublished u
         join mailboxes m on m.id = u.mailbox_id
         cross join email_monitor_status f
         left join mailbox_settings s on s.mailbox_id = m.id
         where coalesce(m.lease_expires_at <= now(), true)
           and (coalesce(s.is_paused, false)
             or coalesce(s.access = 'environment', true) and m.credential_fingerprint is distinct from $1::text
             or not $2::boolean and not (f.is_running and is_poll_due(m)))
         order by m.id
         limit 100
       ) as unpublished_ids`,
  { has_added: 'boolean', unpublished_ids: 'integer[]' },
);

export interface PollWork {
  /** Operators added a mailbox to that of the environment. */
  readonly hasAdded: boolean;
  /** At most 100 mailboxes on which this poll does not work, and whose stored emails are not all published. */
  readonly unpublishedIds: readonly number[];
}

/**
 * @param firstFingerprint of the credentials of the environment; null without them
 * @param isManual an operator asked for a run of each mailbox, due or not
 */
export async function findPollWork(
  db: Queryable,
  firstFingerprint: string | null,
  isManual: boolean,
): Promise<PollWork> {
  return camelCase(await onlyRow(db, FIND_WORK, [firstFingerprint, isManual]));
}

/** Whether operators added a mailbox to that of the environment. */
export async function hasAddedMailboxes(db: Queryable): Promise<boolean> {
  return (await findPollWork(db, null, true)).hasAdded;
}
