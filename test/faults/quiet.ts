/**
 * After the faults: everything is put right, and cycles run until nothing is pending. A system that does not come to
 * rest has failed as much as one that has lost a mail.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Calls } from './calls.ts';
import { CALM } from './mailbox.ts';
import { LONGEST_LAG_MS } from './mailbox-kinds.ts';
import { pidOf } from './stage.ts';
import type { World } from './world.ts';

/** Longer than one call that hangs and two runs after it. */
const PATIENCE_MS = 60_000;
const STEP_MS = 40;

/** @returns what was still unquiet when the patience ended, or null */
export async function becomeQuiet(world: World, calls: Calls): Promise<string | null> {
  const { fleet, gmail, postgres } = world;
  const lastChangeAt = performance.now();
  await gmail.control('faults/clear', {});
  await gmail.control('switches', CALM);
  await gmail.control('reauthorize', { refreshToken: world.refreshToken });
  await postgres.up();
  for (const member of fleet.of()) fleet.thaw(member);
  await fleet.complete();

  const giveUpAt = performance.now() + PATIENCE_MS;
  let last = 'nothing was asked';
  while (performance.now() < giveUpAt) {
    const startedAt = performance.now();
    last = await oneCycle(world, calls);
    const isAllVisible = startedAt > lastChangeAt + LONGEST_LAG_MS;
    if (last === 'quiet' && isAllVisible && world.door.inFlight === 0) {
      // Requests of the round that are still underway must come to nothing more.
      await calls.settled();
      if ((await unquiet(world)) === null) return null;
    }
    await delay(STEP_MS);
  }
  return last;
}

async function oneCycle(world: World, calls: Calls): Promise<string> {
  if (!(await isOn(world))) {
    const started = await calls.call('start');
    if (started?.status !== 200) return `start: ${started?.status} ${started?.json?.code}`;
  }
  await ageLeasesOfTheDead(world);
  // Pushes are no longer fresh: nobody waits for what they announced and the history will never show.
  await world.db.rows(`update mailboxes set hint_at = hint_at - interval '1 minute'`);
  const polled = await calls.call('pollNow');
  if (polled?.json?.outcome !== 'completed') {
    return `poll-now: ${polled?.status} ${polled?.json?.outcome} ${polled?.json?.code ?? ''}`;
  }
  return (await unquiet(world)) ?? 'quiet';
}

/** The switch is on, and push with it. */
async function isOn({ db }: World): Promise<boolean> {
  const rows = await db.rows(
    `select 1
     from email_monitor_status s
     cross join mailboxes m
     where s.is_running and m.watch_topic is not null and m.watch_error_code is null`,
  );
  return rows.length > 0;
}

/** What is not at rest in the database, null for nothing. */
async function unquiet(world: World): Promise<string | null> {
  const [row] = await world.db.rows(
    `select (select count(*)::integer from email_ledger where state = 'pending') as pending,
            (select count(*)::integer from listings where finished_at is null) as listings,
            (select count(*)::integer from listings where purpose = 'proof' and judged_at is null) as proofs,
            (select count(*)::integer from incidents where closed_at is null) as incidents,
            (select count(*)::integer from mailboxes where lease_token is not null) as leases`,
  );
  const isOff = !(await isOn(world));
  if (Object.values(row).every((count) => count === 0) && !isOff) return null;
  return JSON.stringify({ ...row, is_off: isOff });
}

/** Instead of the 40 seconds that a dead holder's lease would take to run out. */
async function ageLeasesOfTheDead({ db, fleet }: World): Promise<void> {
  const rows = await db.rows('select lease_holder from mailboxes where lease_expires_at > now()');
  for (const { lease_holder: holder } of rows) {
    if (fleet.byPid(pidOf(holder)) !== null) continue;
    await db.rows(
      `update mailboxes set lease_expires_at = now() - interval '1 second' where lease_holder = $1::text`,
      [holder],
    );
  }
}

/**
 * Time passes until what was listed has settled: then the cursor stands where Gmail stands. One that stays behind would
 * list more from day to day, until its history expires.
 *
 * @returns the violations
 */
export async function catchesUp(world: World, calls: Calls): Promise<string[]> {
  let seen = '';
  for (let tries = 0; tries < 5; tries += 1) {
    await world.db.rows(`update mailboxes set settling_since = settling_since - interval '1 hour'`);
    const polled = await calls.call('pollNow');
    const [row] = await world.db.rows('select cursor_history_id::text as cursor from mailboxes');
    const { historyId } = await world.gmail.control<{ historyId: string }>('stats');
    if (row.cursor === historyId) return [];
    seen = `${row.cursor} of ${historyId}, poll-now ${polled?.json?.outcome}`;
  }
  return [`The cursor does not catch up: ${seen}`];
}
