/** Does push work, as far as our own records show: the watch, and the last push beside the last mail? */
import type { Queryable } from '../../shared/db/database.ts';
import type { MailboxStatus } from '../../shared/schemas/mailbox-status.ts';
import type { Status } from '../../shared/schemas/status.ts';
import { type Finding, fail, note, ok, skip, warn } from './finding.ts';
import { currentOf } from './monitor-checks.ts';

/** A watch is renewed daily and lives seven days: when a day is left, renewals have failed for five. */
const SHORT_WATCH_MS = 86_400_000;
/** A push comes within seconds; a poll finds its mail within the interval. */
const LATE_PUSH_MS = 600_000;
/** A poll may find a mail before its push has come. */
const ON_ITS_WAY_MS = 30_000;
/** Rows of the ledger that are looked through for live mail. */
const LOOKED_AT = 1_000;

export function watchFinding(status: Status, topic: string | null): Finding {
  const name = 'watch';
  const mailbox = currentOf(status);
  if (mailbox === null) return skip(name, 'no mailbox yet');
  const { watch } = mailbox;
  if (watch?.error)
    return fail(name, `${watch.error.code}, ${watch.error.detail ?? ''}`, watch.error.remediation);
  if (topic === null) return skip(name, 'GMAIL_PUBSUB_TOPIC is not set: polling only');
  if (!status.is_running) return skip(name, 'the monitor is stopped, and push with it');
  if (watch === null || watch.expires_at === null)
    return warn(
      name,
      'Gmail has not been told to publish yet; polling goes on',
      'POST start, or wait for the next poll.',
    );
  if (watch.topic !== topic)
    return warn(name, `Gmail publishes to ${watch.topic}, not to ${topic}`, 'POST start registers it anew.');
  const leftMs = watch.expires_at.getTime() - Date.now();
  const until = watch.expires_at.toISOString();
  if (leftMs <= 0)
    return fail(name, `it ran out at ${until}; polling goes on`, 'POST start registers it again.');
  if (leftMs < SHORT_WATCH_MS)
    return warn(
      name,
      `it runs out at ${until} and was not renewed`,
      'POST start renews it; see the `watch_failed` lines in the log.',
    );
  return ok(name, `Gmail publishes to ${topic} until ${until}`);
}

/** The newest mail that the history showed, by the clock of the database; null when there is none. */
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
    [emailAddress, LOOKED_AT],
  );
  return rows[0]?.discovered_at ?? null;
}

export function lastPushFinding(
  mailbox: MailboxStatus,
  watch: Finding,
  /** Undefined: not to be seen from here. */
  newestLiveAt: Date | null | undefined,
): Finding {
  const name = 'last_push';
  if (watch.state !== 'ok') return skip(name, 'not looked at: see watch');
  const pushed = mailbox.last_push_at;
  const said = pushed === null ? 'none yet' : `${ageOf(pushed)} ago, at ${pushed.toISOString()}`;
  if (newestLiveAt === undefined)
    return note(name, said, 'Compare it with the last mail: the console shows both.');
  if (newestLiveAt === null) return ok(name, `${said}; no mail has arrived since the first start`);
  const lateMs = newestLiveAt.getTime() - (pushed?.getTime() ?? 0);
  const mail = `the last mail ${ageOf(newestLiveAt)} ago`;
  const isOnItsWay = Date.now() - newestLiveAt.getTime() < ON_ITS_WAY_MS;
  if (lateMs <= LATE_PUSH_MS || isOnItsWay) return ok(name, `${said}, ${mail}`);
  return warn(
    name,
    `${said}, but ${mail} at ${newestLiveAt.toISOString()}: pushes do not arrive, the poll found it`,
    'See topic, publisher and subscription, and what gmail-push answers in its log.',
  );
}

function ageOf(at: Date): string {
  const minutes = Math.max(0, Math.round((Date.now() - at.getTime()) / 60_000));
  if (minutes < 120) return `${minutes} min`;
  return minutes < 2_880 ? `${Math.round(minutes / 60)} h` : `${Math.round(minutes / 1_440)} days`;
}
