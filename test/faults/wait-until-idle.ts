/**
 * Ends all faults after a round, and requests runs until nothing is pending. A system that does not become idle fails the
 * round, just as a lost email does.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Calls } from './calls.ts';
import { retryDead } from './dead-letters.ts';
import type { Fixture } from './fixture.ts';
import { NO_FAULTS } from './gmail-defaults.ts';
import { LONGEST_LAG_MS } from './mailbox-kinds.ts';
import { pidOf } from './plan-runner.ts';
import type { Summary } from './summary.ts';

/** Longer than one call that hangs and two further runs. */
const TIMEOUT_MS = 60_000;
const POLL_MS = 40;

/** Ends every fault that a round can leave behind. */
export async function endFaults(fixture: Fixture): Promise<void> {
  const { db, processes, gmail, postgres, scheduler } = fixture;
  await gmail.control('faults/clear', {});
  await gmail.control('switches', NO_FAULTS);
  await gmail.control('reauthorize', { refreshToken: fixture.refreshToken });
  await postgres.up();
  await db.rows('delete from fault_disk_full');
  scheduler.maxDelayMs = 0;
  for (const instance of processes.list()) processes.resume(instance);
  await processes.restore();
}

/** @returns null when the system is idle, or what was still busy at the timeout */
export async function waitUntilIdle(
  fixture: Fixture,
  calls: Calls,
  summary: Summary,
): Promise<string | null> {
  const lastChangeAt = performance.now();
  const giveUpAt = lastChangeAt + TIMEOUT_MS;
  let last = 'no run was requested';
  while (performance.now() < giveUpAt) {
    const startedAt = performance.now();
    // Runs in flight at the end of the faults may still make messages dead.
    calls.violations.push(...(await retryDead(fixture, summary)));
    last = await runOnce(fixture, calls);
    const isAllVisible = startedAt > lastChangeAt + LONGEST_LAG_MS;
    if (last === 'idle' && isAllVisible && fixture.pushProxy.inFlight === 0) {
      // Wait for requests of the round that are still in flight, then check again.
      await calls.whenIdle();
      if ((await busyWith(fixture)) === null) return null;
    }
    await delay(POLL_MS);
  }
  return last;
}

async function runOnce(fixture: Fixture, calls: Calls): Promise<string> {
  if (!(await isOn(fixture)) || (await knownAddress(fixture)) !== fixture.address) {
    const started = await calls.call('start');
    if (started?.status !== 200) return `start: ${started?.status} ${started?.json?.code}`;
  }
  await expireLeasesOfEndedProcesses(fixture);
  // A run waits for the record of a recent hint. Gmail may never show that record, so age the hint.
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

/** With new credentials and a new address, an operator must confirm the mailbox. */
async function confirmRename(fixture: Fixture, calls: Calls): Promise<void> {
  const from = await knownAddress(fixture);
  await calls.call('start', undefined, `?renamed_from=${encodeURIComponent(from ?? '')}`);
}

async function knownAddress({ db }: Fixture): Promise<string | null> {
  const [row] = await db.rows('select email_address from mailboxes order by id limit 1');
  return row?.email_address ?? null;
}

/** Whether the flag is set, the scheduler job is enabled, and the watch is registered. */
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

/** Counts of unfinished work, as JSON; null if there is none. */
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

/** Expires leases of ended processes at once, instead of waiting for their regular expiry. */
export async function expireLeasesOfEndedProcesses({
  db,
  processes,
}: Pick<Fixture, 'db' | 'processes'>): Promise<void> {
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
 * Checks that the cursor reaches Gmail's current history id after the settle time. A cursor that stays behind would list
 * more history every day, until that history expires.
 *
 * @returns the violations
 */
export async function verifyCursorCatchesUp(fixture: Fixture, calls: Calls): Promise<string[]> {
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
