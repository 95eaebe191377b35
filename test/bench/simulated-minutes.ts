/** Scheduled runs a minute apart, simulated by back-dating rows, and queries for what is stored. */
import type { BenchSystem } from './bench-system.ts';
import type { IngestProcess, RunMeasurement } from './ingest-run.ts';

const RUN_EVERY_SECONDS = 60;

/** Back-dates the timestamps that the next run compares with now. */
export async function backdateSeconds({ db }: BenchSystem, seconds: number): Promise<void> {
  const by = `interval '${seconds} seconds'`;
  await db.rows(
    `update mailboxes set unconfirmed_at = unconfirmed_at - ${by}, next_poll_at = next_poll_at - ${by}`,
  );
  await db.rows(`
    update email_ledger
    set last_attempt_at = last_attempt_at - ${by}, next_attempt_at = next_attempt_at - ${by}
    where state = 'pending' and last_attempt_at is not null`);
}

/** Lets a minute pass, then runs once. */
export async function runAfterMinute(system: BenchSystem, ingest: IngestProcess): Promise<RunMeasurement> {
  await backdateSeconds(system, RUN_EVERY_SECONDS);
  return await ingest.run();
}

export async function storedCount({ db }: BenchSystem): Promise<number> {
  const [row] = await db.rows('select count(*)::int as stored from incoming_emails');
  return row.stored;
}

/** When the nth email was committed, in milliseconds after `since` (database clock). Null if fewer are stored. */
export async function nthStoredMs({ db }: BenchSystem, n: number, since: Date): Promise<number | null> {
  const rows = await db.rows(
    `select (extract(epoch from created_at - '${since.toISOString()}'::timestamptz) * 1000)::float8 as ms
     from incoming_emails order by created_at offset ${n - 1} limit 1`,
  );
  return rows[0]?.ms ?? null;
}

export async function databaseTime({ db }: BenchSystem): Promise<Date> {
  const [row] = await db.rows('select clock_timestamp() as at');
  return row.at;
}
