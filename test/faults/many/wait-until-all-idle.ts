/** Ends all faults after a round with many mailboxes, and requests polls until nothing is pending in any of them. */
import { setTimeout as delay } from 'node:timers/promises';
import { NO_WORK_FAULTS } from '../../helpers/work-topic.ts';
import type { Calls } from '../calls.ts';
import { retryDead } from '../dead-letters.ts';
import { NO_FAULTS, NO_INDEX_LAG } from '../gmail-defaults.ts';
import { LONGEST_LAG_MS } from '../mailbox-kinds.ts';
import type { Summary } from '../summary.ts';
import { expireLeasesOfEndedProcesses } from '../wait-until-idle.ts';
import type { ManyFixture } from './many-fixture.ts';

const TIMEOUT_MS = 120_000;
const POLL_MS = 40;
/** Longer than the backoffs of all deliveries of a work message. */
const DRAIN_MS = 30_000;

export async function endManyFaults(fixture: ManyFixture): Promise<void> {
  const { db, mailboxes, postgres, processes, scheduler, work } = fixture;
  Object.assign(work.faults, NO_WORK_FAULTS);
  await postgres.up();
  await db.rows('delete from fault_disk_full');
  scheduler.maxDelayMs = 0;
  for (const mailbox of mailboxes) {
    await mailbox.gmail.control('faults/clear', {});
    await mailbox.gmail.control('switches', { ...NO_FAULTS, oauth: { allowsDelegation: true } });
    await mailbox.gmail.control('reauthorize', { refreshToken: mailbox.refreshToken });
    if (mailbox.access === 'refresh_token') mailbox.writeSecret();
  }
  await db.rows('update mailbox_settings set is_paused = false where is_paused');
  for (const instance of processes.list()) processes.resume(instance);
  await processes.restore();
}

/** @returns null when the system is idle, or what was still busy at the timeout */
export async function waitUntilAllIdle(
  fixture: ManyFixture,
  calls: Calls,
  summary: Summary,
): Promise<string | null> {
  const { mailboxes, pushProxy, work } = fixture;
  const lastChangeAt = performance.now();
  const giveUpAt = lastChangeAt + TIMEOUT_MS;
  const sent = new Map(mailboxes.flatMap((mailbox) => [...mailbox.sent]));
  let last = 'no run was requested';
  while (performance.now() < giveUpAt) {
    const startedAt = performance.now();
    calls.violations.push(...(await retryDead({ db: fixture.db, sent }, summary)));
    last = await runOnce(fixture, calls);
    const isAllVisible = startedAt > lastChangeAt + LONGEST_LAG_MS;
    if (last === 'idle' && isAllVisible && pushProxy.inFlight === 0) {
      // Wait for requests of the round that are still in flight, then check again.
      await calls.whenIdle();
      if (work.openCount === 0 && (await busyWith(fixture)) === null) break;
    }
    await delay(POLL_MS);
  }
  for (const { gmail } of mailboxes) await gmail.control('switches', NO_INDEX_LAG);
  return last === 'idle' ? null : last;
}

async function runOnce(fixture: ManyFixture, calls: Calls): Promise<string> {
  if (!(await isOn(fixture))) {
    const started = await calls.call('start');
    if (started?.status !== 200) return `start: ${started?.status} ${started?.json?.code}`;
  }
  await letTimePass(fixture);
  const polled = await calls.call('poll');
  if (polled?.status !== 200) return `poll: ${polled?.status} ${polled?.json?.code ?? ''}`;
  if (!(await drain(fixture))) return `work: ${fixture.work.openCount} messages are not acknowledged`;
  return (await busyWith(fixture)) ?? 'idle';
}

/** Makes everything due that waits for a time. */
export async function letTimePass(fixture: ManyFixture): Promise<void> {
  const { db } = fixture;
  await expireLeasesOfEndedProcesses(fixture);
  // A run waits for the record of a recent hint. Gmail may never show that record, so age the hint.
  await db.rows(`update mailboxes set hint_at = hint_at - interval '1 minute' where lease_token is null`);
  await db.rows('update mailboxes set next_poll_at = now() where next_poll_at > now()');
  await db.rows('update mailbox_settings set next_attempt_at = now() where next_attempt_at > now()');
  await db.rows(
    `update mailbox_watches set next_attempt_at = now() where error_code is not null and next_attempt_at > now()`,
  );
  await db.rows(
    `update email_ledger set next_attempt_at = now() where state = 'pending' and next_attempt_at > now()`,
  );
}

/** @returns false when messages are still open after the time that all deliveries take */
export async function drain({ work }: ManyFixture): Promise<boolean> {
  const giveUpAt = performance.now() + DRAIN_MS;
  while (work.openCount > 0 && performance.now() < giveUpAt) await delay(10);
  return work.openCount === 0;
}

async function isOn({ db, scheduler }: ManyFixture): Promise<boolean> {
  const rows = await db.rows('select 1 from email_monitor_status where is_running');
  return rows.length > 0 && scheduler.isEnabled;
}

/** What is unfinished in which mailbox, as JSON; null if there is nothing. */
async function busyWith(fixture: ManyFixture): Promise<string | null> {
  const rows = await fixture.db.rows(
    `select * from (
       select m.email_address,
              (select count(*)::integer from email_ledger l where l.mailbox_id = m.id and l.state in ('pending', 'dead'))
                as pending,
              (select count(*)::integer from list_jobs j where j.mailbox_id = m.id and j.finished_at is null) as list_jobs,
              (select count(*)::integer from reconciliations r where r.mailbox_id = m.id and r.evaluated_at is null)
                as reconciliations,
              (select count(*)::integer from incidents i where i.mailbox_id = m.id and i.closed_at is null) as incidents,
              (m.lease_token is not null) as is_leased,
              m.failure_count as failures,
              m.last_error_code as error,
              coalesce((select outcome from ingest_runs r where r.mailbox_id = m.id order by r.id desc limit 1), 'none')
                as outcome,
              not exists (
                select 1 from mailbox_watches w
                where w.mailbox_id = m.id and w.topic is not null and w.error_code is null
              ) as has_no_watch
       from mailboxes m
     ) one
     where pending + list_jobs + reconciliations + incidents + failures > 0 or is_leased or has_no_watch or outcome <> 'completed'`,
  );
  const known = await fixture.db.rows('select email_address from mailboxes');
  const unknown = fixture.mailboxes.filter(
    ({ address }) => !known.some(({ email_address: one }) => one === address),
  );
  const isOff = !(await isOn(fixture));
  if (rows.length === 0 && unknown.length === 0 && !isOff) return null;
  return JSON.stringify({ busy: rows, unknown: unknown.map(({ address }) => address), is_off: isOff });
}
