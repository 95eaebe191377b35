/** A mailbox row of its own for one test of the SQL, with the lease taken. */
import { randomUUID } from 'node:crypto';
import type { Database } from '../../shared/db/database.ts';
import { type Fence, takeLease } from '../../shared/db/lease.ts';
import { enterSightings, PRIORITY, type Sighting } from '../../shared/db/ledger.ts';
import type { LookFor } from '../../shared/db/outlook.ts';
import { endRun, type RunEnd } from '../../shared/db/run-end.ts';
import { noCounts } from '../../shared/ingest/run.ts';

let count = 0;

/** A mailbox whose cursor stands at `cursor`. */
export async function insertMailbox(db: Database, cursor = '100'): Promise<number> {
  count += 1;
  const { rows } = await db.query<{ id: number }>(
    `insert into mailboxes (email_address, cursor_history_id)
     values ($1::text, $2::numeric)
     returning id`,
    [`box-${count}@example.com`, cursor],
  );
  return rows[0]?.id ?? 0;
}

export function fenceOf(mailboxId: number): Fence {
  return { mailboxId, token: randomUUID() };
}

/** @returns the fence of its holder */
export async function leasedMailbox(db: Database, cursor?: string): Promise<Fence> {
  const fence = fenceOf(await insertMailbox(db, cursor));
  await takeLease(db, fence, { holder: 'test', trigger: 'schedule' });
  return fence;
}

/** Looks for what a poll looks for without a topic. */
export const LOOK_FOR: LookFor = { proofEverySeconds: 900, watchTopic: null, watchMarginSeconds: 3_600 };

/** Ends a run of its holder that went well, unless `more` says otherwise. */
export async function endRunOf(db: Database, fence: Fence, more: Partial<RunEnd> = {}) {
  return await endRun(db, fence, {
    runId: 0,
    outcome: more.failure == null ? 'completed' : 'failed',
    durationMs: 1,
    counts: noCounts(),
    failure: null,
    seen: null,
    waitMs: 0,
    backoff: { intervalSeconds: 60, capSeconds: 300 },
    watchTopic: null,
    ...more,
  });
}

/** As if the holder had been silent for so long that its lease has run out. */
export async function expireLease(db: Database, { mailboxId }: Fence): Promise<void> {
  await db.query("update mailboxes set lease_expires_at = now() - interval '1 second' where id = $1", [
    mailboxId,
  ]);
}

export function sighting(gmailMessageId: string, more: Partial<Sighting> = {}): Sighting {
  return { gmailMessageId, ignoredRule: null, historyId: null, checkLabels: false, ...more };
}

/** Enters messages as live mail. */
export async function enterLive(db: Database, { mailboxId }: Fence, ...ids: string[]): Promise<void> {
  await enterSightings(
    db,
    mailboxId,
    'history',
    PRIORITY.live,
    ids.map((id) => sighting(id)),
  );
}

// biome-ignore lint/suspicious/noExplicitAny: tests look at whatever stands there
export type AnyRow = any;

export async function mailboxRow(db: Database, { mailboxId }: Fence): Promise<AnyRow> {
  return (await db.query('select * from mailboxes where id = $1', [mailboxId])).rows[0];
}

export async function ledgerRow(db: Database, { mailboxId }: Fence, id: string): Promise<AnyRow> {
  const { rows } = await db.query(
    'select * from email_ledger where mailbox_id = $1 and gmail_message_id = $2',
    [mailboxId, id],
  );
  return rows[0];
}
