/**
 * Two days of history for `npm run pictures`, which a new stack does not have. It adds back-dated synthetic orders in the
 * emulated mailbox, and rows for the runs that would have stored them. Everything newer in the screenshots is real.
 */
import pg from 'pg';
import type { EmulatedGmail } from '../../emulators/gmail/emulated-gmail.ts';
import { nextPurchaseOrder } from '../../emulators/samples/samples.ts';
import { seededRandom } from '../../emulators/seeded-random.ts';

const HOUR_MS = 3_600_000;
const HOURS = 48;
/** The number of the first synthetic order. */
const FIRST_ORDER = 500;

export interface PastHour {
  readonly beginsAt: Date;
  readonly emailCount: number;
}

/** Orders arrive in office hours, most before noon. @returns the number of emails per hour, oldest first */
export async function deliverHistory(gmail: EmulatedGmail, now: Date): Promise<PastHour[]> {
  const random = seededRandom(2_026);
  const hours: PastHour[] = [];
  let n = FIRST_ORDER;
  for (let back = HOURS; back >= 1; back -= 1) {
    const beginsAt = new Date(Math.floor(now.getTime() / HOUR_MS) * HOUR_MS - back * HOUR_MS);
    const emailCount = Math.round(arrivalRate(beginsAt.getUTCHours()) * (6 + 8 * random()));
    for (let k = 0; k < emailCount; k += 1, n += 1) {
      const at = new Date(beginsAt.getTime() + random() * HOUR_MS);
      gmail.deliver((await nextPurchaseOrder(n, at)).raw, { internalDate: at });
    }
    hours.push({ beginsAt, emailCount });
  }
  return hours;
}

/** Distributes the emails over the hours, because the one run that stored them all would dominate the chart. */
export async function recordHistory(databaseUrl: string, hours: readonly PastHour[]): Promise<void> {
  const random = seededRandom(48);
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    await client.query('update ingest_runs set stored_count = 0, arrival_to_stored_max_ms = null');
    for (const { beginsAt, emailCount } of hours) {
      for (let k = 0; k < Math.max(1, emailCount); k += 1) {
        const isLive = emailCount > 0;
        const slowMs = random() < 0.03 ? 40_000 * random() : 0;
        await client.query(
          `insert into ingest_runs (mailbox_id, trigger, outcome, started_at, finished_at, duration_ms,
             discovered_count, stored_count, quota_units, arrival_to_stored_max_ms)
           select max(id), $1::text, 'completed', $2::timestamptz, $2::timestamptz + interval '1 second',
             $3::integer, $4::integer, $4::integer, $5::integer, $6::integer
           from mailboxes`,
          [
            isLive ? 'push' : 'schedule',
            new Date(beginsAt.getTime() + ((k + random()) / Math.max(1, emailCount)) * HOUR_MS),
            Math.round(120 + 400 * random()),
            isLive ? 1 : 0,
            isLive ? 25 : 2,
            isLive ? Math.round(700 + 1_600 * random() ** 2 + slowMs) : null,
          ],
        );
      }
    }
  } finally {
    await client.end();
  }
}

/** From 0 to 1, by the hour of the day in UTC. */
function arrivalRate(hour: number): number {
  if (hour < 6 || hour > 19) return hour === 3 ? 0.1 : 0;
  return Math.exp(-((hour - 10.5) ** 2) / 14);
}
