/**
 * After the faults: everything is put right, and runs are requested until nothing is pending. A system that does not come
 * to rest has failed as much as one that has lost a mail.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Calls } from './calls.ts';
import { retryDead } from './dead-letters.ts';
import type { Fixture } from './fixture.ts';
import { CALM } from './mailbox.ts';
import { LONGEST_LAG_MS } from './mailbox-kinds.ts';
import { pidOf } from './plan-runner.ts';
import type { Summary } from './summary.ts';

/** Longer than one call that hangs and two runs after it. */
const PATIENCE_MS = 60_000;
const STEP_MS = 40;

/** Ends every fault that a round can leave behind. */
export async function endFaults(fixture: Fixture): Promise<void> {
  const { db, processes, gmail, postgres, scheduler } = fixture;
  await gmail.control('faults/clear', {});
  await gmail.control('switches', CALM);
  await gmail.control('reauthorize', { refreshToken: fixture.refreshToken });
  await postgres.up();
  await db.rows('delete from fault_disk_full');
  scheduler.maxDelayMs = 0;
  for (const member of processes.of()) processes.thaw(member);
  await processes.complete();
}

/** @returns what was still busy when the patience ended, or null */
export async function waitUntilIdle(
  fixture: Fixture,
  calls: Calls,
  summary: Summary,
): Promise<string | null> {
  const lastChangeAt = performance.now();
  const giveUpAt = lastChangeAt + PATIENCE_MS;
  let last = 'nothing was asked';
  while (performance.now() < giveUpAt) {
    const startedAt = performance.now();
    // Runs that were underway at the end of the faults may charge a failure late.
    calls.defects.push(...(await retryDead(fixture, summary)));
    last = await oneCycle(fixture, calls);
    const isAllVisible = startedAt > lastChangeAt + LONGEST_LAG_MS;
    if (last === 'idle' && isAllVisible && fixture.pushProxy.inFlight === 0) {
      // Requests of the round that are still underway must come to nothing more.
      await calls.settled();
      if ((await busyWith(fixture)) === null) return null;
    }
    await delay(STEP_MS);
  }
  return last;
}

async function oneCycle(fixture: Fixture, calls: Calls): Promise<string> {
  if (!(await isOn(fixture)) || (await knownAddress(fixture)) !== fixture.address) {
    const started = await calls.call('start');
    if (started?.status !== 200) return `start: ${started?.status} ${started?.json?.code}`;
  }
  await ageLeasesOfTheDead(fixture);
  // A fresh hint keeps a run looking for it; an announced record that Gmail never shows must not keep a round.
  await fixture.db.rows(
    `update mailboxes set hint_at = hint_at - interval '1 minute' where lease_token is null`,
  );
  const polled = await calls.call('pollNow');
  if (polled?.json?.code === 'account_unconfirmed') await confirmRename(fixture, calls);
  if (polled?.json?.outcome !== 'completed') {
    return `poll-now: ${polled?.status} ${polled?.json?.outcome} ${polled?.json?.code ?? ''}`;
  }
  return (await busyWith(fixture)) ?? 'idle';
}

/** New credentials of an account with a new address: an operator has to say whose mailbox it is. */
async function confirmRename(fixture: Fixture, calls: Calls): Promise<void> {
  const from = await knownAddress(fixture);
  await calls.call('start', undefined, `?renamed_from=${encodeURIComponent(from ?? '')}`);
}

async function knownAddress({ db }: Fixture): Promise<string | null> {
  const [row] = await db.rows('select email_address from mailboxes order by id limit 1');
  return row?.email_address ?? null;
}

/** The flag is set, its scheduler job is enabled, and Gmail publishes. */
async function isOn({ db, scheduler }: Fixture): Promise<boolean> {
  const rows = await db.rows(
    `select 1
     from email_monitor_status s
     cross join mailboxes m
     join mailbox_watches w on w.mailbox_id = m.id
     where s.is_running and w.topic is not null and w.error_code is null`,
  );
  return rows.length > 0 && scheduler.isEnabled;
}

/** What is not at rest in the database, null for nothing. */
async function busyWith(fixture: Fixture): Promise<string | null> {
  const [row] = await fixture.db.rows(
    `select (select count(*)::integer from email_ledger where state in ('pending', 'dead')) as pending,
            (select count(*)::integer from list_jobs where finished_at is null) as list_jobs,
            (select count(*)::integer from reconciliations where evaluated_at is null) as reconciliations,
            (select count(*)::integer from incidents where closed_at is null) as incidents,
            (select count(*)::integer from mailboxes where lease_token is not null) as leases`,
  );
  const isOff = !(await isOn(fixture));
  if (Object.values(row).every((count) => count === 0) && !isOff) return null;
  return JSON.stringify({ ...row, is_off: isOff });
}

/** Instead of the 40 seconds that a dead holder's lease would take to run out. */
async function ageLeasesOfTheDead({ db, processes }: Fixture): Promise<void> {
  const rows = await db.rows('select lease_holder from mailboxes where lease_expires_at > now()');
  for (const { lease_holder: holder } of rows) {
    if (processes.byPid(pidOf(holder)) !== null) continue;
    await db.rows(
      `update mailboxes set lease_expires_at = now() - interval '1 second' where lease_holder = $1::text`,
      [holder],
    );
  }
}

/**
 * The settle time passes: then the cursor is Gmail's current history id. A cursor that stays behind would list more from
 * day to day, until its history expires.
 *
 * @returns the violations
 */
export async function catchesUp(fixture: Fixture, calls: Calls): Promise<string[]> {
  let seen = '';
  for (let tries = 0; tries < 5; tries += 1) {
    await fixture.db.rows(`update mailboxes set unconfirmed_at = unconfirmed_at - interval '1 hour'`);
    const polled = await calls.call('pollNow');
    const [row] = await fixture.db.rows('select cursor_history_id::text as cursor from mailboxes');
    const { historyId } = await fixture.gmail.control<{ historyId: string }>('stats');
    if (row.cursor === historyId) return [];
    seen = `${row.cursor} of ${historyId}, poll-now ${polled?.json?.outcome}`;
  }
  return [`The cursor does not catch up: ${seen}`];
}
