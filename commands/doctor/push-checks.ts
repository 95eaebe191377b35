/** Checks push from the system's own records: the watch, and the last push compared with the last email. */
import type { Queryable } from '../../shared/db/database.ts';
import type { MailboxStatus, WatchStatus } from '../../shared/schemas/mailbox-status.ts';
import type { Status } from '../../shared/schemas/status.ts';
import { type CheckResult, fail, info, ok, skip, warn } from './check-result.ts';

/** A watch lasts seven days and is renewed daily, so with one day left, renewals have failed for five days. */
const SHORT_WATCH_MS = 86_400_000;
/** `status` shows so many mailboxes. */
const MAX_SHOWN = 100;
/** A push normally arrives within seconds. */
const LATE_PUSH_MS = 600_000;
/** A poll may find an email before its push arrives. */
const PUSH_DELAY_MS = 30_000;
/** Ledger rows that are searched for live email. */
const SEARCHED_ROWS = 1_000;

/** @param mailbox null: there is none, or `status` does not show it */
export function checkWatch(
  { is_running: isRunning, mailbox_count: count, mailboxes }: Status,
  mailbox: MailboxStatus | null,
  topic: string | null,
): CheckResult {
  if (mailbox !== null)
    return checkRegistration(mailbox.watch, noWatchExpected(isRunning, mailbox.is_paused), topic);
  return skip(
    'watch',
    count > mailboxes.length && mailboxes.length >= MAX_SHOWN
      ? 'not checked: the first mailbox is not among the worst ones; use --mailbox'
      : 'no mailbox yet',
  );
}

/** Why no watch has to be active; null when one has to be. */
export function noWatchExpected(isRunning: boolean, isPaused: boolean): string | null {
  if (!isRunning) return 'the monitor is stopped, so push is off';
  return isPaused ? 'the mailbox is paused, so no run renews it' : null;
}

/**
 * @param watch null: none is registered and none has failed
 * @param notExpected as of `noWatchExpected`
 */
export function checkRegistration(
  watch: Pick<WatchStatus, 'error' | 'expires_at' | 'topic'> | null,
  notExpected: string | null,
  topic: string | null,
): CheckResult {
  const name = 'watch';
  if (watch?.error)
    return fail(name, `${watch.error.code}, ${watch.error.detail ?? ''}`, watch.error.remediation);
  if (topic === null) return skip(name, 'GMAIL_PUBSUB_TOPIC is not set: polling only');
  if (notExpected !== null) return skip(name, notExpected);
  if (watch === null || watch.expires_at === null)
    return warn(
      name,
      'no watch is registered yet; polling continues',
      'Call POST start, or wait for the next poll.',
    );
  if (watch.topic !== topic)
    return warn(
      name,
      `Gmail publishes to ${watch.topic}, not to ${topic}`,
      'POST start registers the watch again.',
    );
  const leftMs = watch.expires_at.getTime() - Date.now();
  const until = watch.expires_at.toISOString();
  if (leftMs <= 0)
    return fail(name, `it expired at ${until}; polling continues`, 'POST start registers it again.');
  if (leftMs < SHORT_WATCH_MS)
    return warn(
      name,
      `it expires at ${until} and was not renewed`,
      'POST start renews it; check the `watch_failed` lines in the log.',
    );
  return ok(name, `Gmail publishes to ${topic} until ${until}`);
}

/** When the newest live email was discovered, by the database's clock; null: none. */
export async function readNewestLiveAt(db: Queryable, emailAddress: string): Promise<Date | null> {
  const { rows } = await db.query<{ discovered_at: Date }>(
    `select l.discovered_at
     from (
       select discovered_at, source
       from email_ledger
       where mailbox_id = (select id from mailboxes where email_address = $1::text)
       order by id desc
       limit $2::integer
     ) l
     where l.source = 'history'
     limit 1`,
    [emailAddress, SEARCHED_ROWS],
  );
  return rows[0]?.discovered_at ?? null;
}

/** @param newestLiveAt undefined: unknown from here */
export function checkLastPush(
  mailbox: MailboxStatus,
  watch: CheckResult,
  newestLiveAt: Date | null | undefined,
): CheckResult {
  const name = 'last_push';
  if (watch.state !== 'ok') return skip(name, 'not checked: see watch');
  const pushed = mailbox.last_push_at;
  const text = pushed === null ? 'none yet' : `${ageOf(pushed)} ago, at ${pushed.toISOString()}`;
  if (newestLiveAt === undefined)
    return info(name, text, 'Compare it with the last email: the console shows both.');
  if (newestLiveAt === null) return ok(name, `${text}; no email has arrived since the first start`);
  const lateMs = newestLiveAt.getTime() - (pushed?.getTime() ?? 0);
  const email = `the last email ${ageOf(newestLiveAt)} ago`;
  const mayStillArrive = Date.now() - newestLiveAt.getTime() < PUSH_DELAY_MS;
  if (lateMs <= LATE_PUSH_MS || mayStillArrive) return ok(name, `${text}, ${email}`);
  return warn(
    name,
    `${text}, but ${email} at ${newestLiveAt.toISOString()}: pushes do not arrive, and the poll found it`,
    'Check topic, publisher and subscription, and the answers of gmail-push in its log.',
  );
}

function ageOf(at: Date): string {
  const minutes = Math.max(0, Math.round((Date.now() - at.getTime()) / 60_000));
  if (minutes < 120) return `${minutes} min`;
  return minutes < 2_880 ? `${Math.round(minutes / 60)} h` : `${Math.round(minutes / 1_440)} days`;
}
