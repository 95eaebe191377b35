/** The push watch of a mailbox: its topic, its expiry, registration errors, and whether its pushes arrive. */
import type { Queryable } from './database.ts';
import { camelCase, onlyRow, type RowOfStatement } from './rows.ts';
import { statement } from './statement.ts';

/**
 * A watch lasts seven days, and no API call reports whether Gmail still serves it. Gmail recommends registering it daily.
 * That costs 100 units and leaves six days of failures before the watch expires. It makes Gmail publish at once, which
 * tests push delivery end to end every day.
 */
export const RENEW_EVERY_SECONDS = 86_400;

// Due: never registered, registered by other credentials or for another topic, older than the renewal interval, or within its
// last day. While scheduled runs keep storing late mail, a watch older than an hour is due too. The wait after a failure
// always applies.
// $1 mailbox id, $2 configured topic or null, $3 fingerprint, $4 seconds between renewals
// One row, even if the mailbox has no watch row.
const READ = statement(
  `
select w.topic, w.error_code,
       coalesce(w.next_attempt_at <= now(), true)
         and (
           w.topic is distinct from $2::text
             or w.credential_fingerprint is distinct from $3::text
             or coalesce(w.registered_at <= now() - $4::integer * interval '1 second', true)
             or coalesce(w.expires_at <= now() + interval '1 day', true)
             or (w.late_run_count >= 3 and w.registered_at <= now() - interval '1 hour')
         ) as is_due
from mailboxes m
left join mailbox_watches w on w.mailbox_id = m.id
where m.id = $1::integer`,
  { topic: 'text?', error_code: 'text?', is_due: 'boolean' },
);

/**
 * @param topic the configured one; null for none
 * @param renewAfterSeconds a registration of this age is renewed
 * @returns `isDue`: the watch must be registered now
 */
export async function readWatch(
  db: Queryable,
  mailboxId: number,
  topic: string | null,
  fingerprint: string | null,
  renewAfterSeconds = RENEW_EVERY_SECONDS,
): Promise<RowOfStatement<typeof READ>> {
  return camelCase(await onlyRow(db, READ, [mailboxId, topic, fingerprint, renewAfterSeconds]));
}

// $1 mailbox id, $2 topic, $3 time of the registration, $4 end, $5 fingerprint
const SAVE = statement(`
insert into mailbox_watches (mailbox_id, topic, registered_at, expires_at, credential_fingerprint)
values ($1::integer, $2::text, $3::timestamptz, $4::timestamptz, $5::text)
on conflict (mailbox_id) do update
  set topic = excluded.topic,
      registered_at = excluded.registered_at,
      expires_at = excluded.expires_at,
      credential_fingerprint = excluded.credential_fingerprint,
      next_attempt_at = null,
      error_code = null,
      error = null`);

/**
 * Records a registration or renewal. May run twice. Late runs are kept, because only a push shows that pushes arrive.
 *
 * @param watch `registeredAt` is a `databaseTime` from before the call of Gmail, which publishes at once: the first push may
 *   arrive before the registration is stored
 */
export async function saveWatch(
  db: Queryable,
  mailboxId: number,
  watch: {
    readonly topic: string;
    readonly registeredAt: Date;
    readonly expiresAt: Date;
    readonly fingerprint: string | null;
  },
): Promise<void> {
  const { topic, registeredAt, expiresAt, fingerprint } = watch;
  await db.query(SAVE, [mailboxId, topic, registeredAt, expiresAt, fingerprint]);
}

const DATABASE_TIME = statement('select clock_timestamp() as now', { now: 'timestamp with time zone' });

/** Returns the database time, which `pushed_at` and `registered_at` use. */
export async function databaseTime(db: Queryable): Promise<Date> {
  return (await onlyRow(db, DATABASE_TIME)).now;
}

// $1 mailbox id
const CLEAR = statement(`
update mailbox_watches
set topic = null,
    registered_at = null,
    expires_at = null,
    credential_fingerprint = null,
    next_attempt_at = null,
    error_code = null,
    error = null,
    late_run_count = 0,
    late_since = null
where mailbox_id = $1::integer`);

/** Clears a watch that was stopped or whose topic is no longer configured. May run twice. */
export async function clearWatch(db: Queryable, mailboxId: number): Promise<void> {
  await db.query(CLEAR, [mailboxId]);
}

// $1 mailbox id, $2 error code, $3 error, $4 wait in seconds
const RECORD_FAILURE = statement(`
insert into mailbox_watches (mailbox_id, error_code, error, next_attempt_at)
values ($1::integer, $2::text, $3::text, now() + $4::integer * interval '1 second')
on conflict (mailbox_id) do update
  set error_code = excluded.error_code,
      error = excluded.error,
      next_attempt_at = excluded.next_attempt_at`);

/** Records that registering or stopping failed. The earlier registration stays recorded, because Gmail keeps it. */
export async function recordWatchFailure(
  db: Queryable,
  mailboxId: number,
  failure: { readonly code: string; readonly detail: string; readonly waitSeconds: number },
): Promise<void> {
  await db.query(RECORD_FAILURE, [mailboxId, failure.code, failure.detail, failure.waitSeconds]);
}

// A push restarts the count. Writes only when something changes, because most runs store no late mail.
// $1 mailbox id, $2 start of the run, $3 the run stored late mail
const NOTE_LATE_RUN = statement(
  `
update mailbox_watches w
set late_run_count = case
      when not $3::boolean then 0
      when coalesce(m.pushed_at > w.late_since, false) then 1
      else w.late_run_count + 1
    end,
    late_since = case
      when not $3::boolean then null
      when coalesce(m.pushed_at > w.late_since, false) then $2::timestamptz
      else coalesce(w.late_since, $2::timestamptz)
    end
from mailboxes m
where w.mailbox_id = $1::integer
  and m.id = w.mailbox_id
  and ($3::boolean or w.late_run_count > 0)`,
  {},
  { isRepeatable: false },
);

/** A push gets live mail stored within seconds; without pushes it waits for the poll of the next minute. */
const LATE_MS = 60_000;

export interface ScheduledRun {
  /** Database time. */
  readonly startedAt: Date;
  /** For live mail that the history announced; null when the run stored none. */
  readonly arrivalToStoredMaxMs: number | null;
}

/**
 * Counts consecutive scheduled runs that stored live mail more than a minute old, for `is_push_silent`. Call it at the end of
 * each scheduled run. A run that stored no live mail says nothing about pushes. Must not run twice per run.
 */
export async function noteLateRun(db: Queryable, mailboxId: number, run: ScheduledRun): Promise<void> {
  if (run.arrivalToStoredMaxMs === null) return;
  await db.query(NOTE_LATE_RUN, [mailboxId, run.startedAt, run.arrivalToStoredMaxMs > LATE_MS]);
}
