/**
 * After the faults: everything is put right, and cycles run until nothing is pending. A system that does not come to
 * rest has failed as much as one that has lost a mail.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Calls } from './calls.ts';
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
  const started = await calls.call('start');
  if (started?.status !== 200) return `start: ${started?.status} ${started?.json?.code}`;
  await ageLeasesOfTheDead(world);
  const polled = await calls.call('pollNow');
  if (polled?.json?.outcome !== 'completed') {
    return `poll-now: ${polled?.status} ${polled?.json?.outcome} ${polled?.json?.code ?? ''}`;
  }
  return (await unquiet(world)) ?? 'quiet';
}

/** What is not at rest in the database, null for nothing. */
async function unquiet({ db }: World): Promise<string | null> {
  const [row] = await db.rows(
    `select (select count(*)::integer from email_ledger where state = 'pending') as pending,
            (select count(*)::integer from listings where finished_at is null) as listings,
            (select count(*)::integer from mailboxes where lease_token is not null) as leases,
            (select count(*)::integer from mailboxes) as mailboxes`,
  );
  if (row.mailboxes === 1 && row.pending === 0 && row.listings === 0 && row.leases === 0) return null;
  return JSON.stringify(row);
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

/** Records that are held back already stay so until their time. */
export const CALM = {
  emptyHistoryPages: 0,
  indexLag: { historyMs: 0, listMs: 0, nextRecordMs: 0, lateRecordProbability: 0 },
  quota: { maxConcurrent: null },
  notifications: {
    dropProbability: 0,
    duplicateProbability: 0,
    delayMs: 0,
    jitterMs: 0,
    isRateLimited: false,
    maxAttempts: 5,
    firstBackoffMs: 100,
    maxBackoffMs: 1_000,
    ackDeadlineMs: 10_000,
  },
};
