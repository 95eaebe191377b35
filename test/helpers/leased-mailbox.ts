/** Creates and changes mailbox rows for tests of the SQL, each with its own mailbox and lease. */
import { randomUUID } from 'node:crypto';
import type { Database, Queryable } from '../../shared/db/database.ts';
import { type FinishedRun, finishRun } from '../../shared/db/finish-run.ts';
import { recordHint } from '../../shared/db/hints.ts';
import { type Lease, takeLease } from '../../shared/db/lease.ts';
import { type DiscoveredMessage, PRIORITY, upsertDiscovered } from '../../shared/db/ledger.ts';
import { noCounts } from '../../shared/db/runs.ts';

let count = 0;

/** Inserts a mailbox with the given cursor. @returns its id */
export async function insertMailbox(db: Database, cursor = '100'): Promise<number> {
  count += 1;
  const { rows } = await db.query<{ id: number }>(
    `with added as (
       insert into mailboxes (email_address, cursor_history_id)
       values ($1::text, $2::numeric)
       returning id
     ),
     quota as (
       insert into mailbox_quota (mailbox_id, available_units) select id, 5900 from added
     )
     select id from added`,
    [`box-${count}@example.com`, cursor],
  );
  return rows[0]?.id ?? 0;
}

export function leaseOf(mailboxId: number): Lease {
  return { mailboxId, token: randomUUID() };
}

/** Inserts a mailbox and takes its lease. @returns the lease */
export async function leasedMailbox(db: Database, cursor?: string): Promise<Lease> {
  const lease = leaseOf(await insertMailbox(db, cursor));
  await take(db, lease);
  return lease;
}

export async function take(db: Database, lease: Lease, settleSeconds = 90) {
  return await takeLease(db, lease, { holder: 'test', trigger: 'schedule', settleSeconds });
}

/** Finishes a run, as a successful one unless `more` overrides it. */
export async function finishRunOf(db: Queryable, lease: Lease, more: Partial<FinishedRun> = {}) {
  return await finishRun(db, lease, {
    runId: 0,
    outcome: more.failure == null ? 'completed' : 'failed',
    durationMs: 1,
    counts: noCounts(),
    failure: null,
    hasHistoryAnswer: true,
    releasesAnyway: false,
    nextPollMs: 0,
    watchTopic: null,
    isAdded: false,
    ...more,
  });
}

/** Another instance takes over the lease. @returns its lease */
export async function takeOver(db: Database, old: Lease): Promise<Lease> {
  await expireLease(db, old);
  const lease = leaseOf(old.mailboxId);
  await take(db, lease);
  return lease;
}

/** Expires the lease, as if its holder had stopped sending heartbeats. */
export async function expireLease(db: Database, { mailboxId }: Lease): Promise<void> {
  await db.query("update mailboxes set lease_expires_at = now() - interval '1 second' where id = $1", [
    mailboxId,
  ]);
}

export function discoveredMessage(
  gmailMessageId: string,
  more: Partial<DiscoveredMessage> = {},
): DiscoveredMessage {
  return { gmailMessageId, ignoredRule: null, historyId: null, labelsUnknown: false, ...more };
}

/** Adds messages to the ledger as live mail. */
export async function addLiveMessages(db: Database, { mailboxId }: Lease, ...ids: string[]): Promise<void> {
  await upsertDiscovered(
    db,
    mailboxId,
    'history',
    PRIORITY.live,
    ids.map((id) => discoveredMessage(id)),
  );
}

// biome-ignore lint/suspicious/noExplicitAny: tests look at any column
export type AnyRow = any;

export async function mailboxRow(db: Database, { mailboxId }: Lease): Promise<AnyRow> {
  return (await db.query('select * from mailboxes where id = $1', [mailboxId])).rows[0];
}

export async function ledgerRow(db: Database, { mailboxId }: Lease, id: string): Promise<AnyRow> {
  const { rows } = await db.query(
    'select * from email_ledger where mailbox_id = $1 and gmail_message_id = $2',
    [mailboxId, id],
  );
  return rows[0];
}

/** @param set the assignments of an update, in SQL */
export async function changeMailbox(db: Database, { mailboxId }: Lease, set: string): Promise<void> {
  await db.query(`update mailboxes set ${set} where id = $1`, [mailboxId]);
}

/** @param set the assignments of an update, in SQL
 * @param ids the messages to update; null for all messages of the mailbox */
export async function changeMessages(
  db: Database,
  { mailboxId }: Lease,
  set: string,
  ids: readonly string[] | null = null,
): Promise<void> {
  await db.query(
    `update email_ledger
     set ${set}
     where mailbox_id = $1::integer
       and ($2::text[] is null or gmail_message_id = any ($2::text[]))`,
    [mailboxId, ids],
  );
}

/** Announces a history id, as a push does. */
export async function hint(db: Database, lease: Lease, historyId: string) {
  const { email_address: emailAddress } = await mailboxRow(db, lease);
  return await recordHint(db, { emailAddress, historyId });
}

export const fingerprintOf = ({ mailboxId }: Lease) => `fingerprint ${mailboxId}`;

/** A mailbox with known credentials after a poll: the next poll is due in a day, and the last run began a minute ago. */
export async function quietMailbox(db: Database): Promise<Lease> {
  const lease = await leasedMailbox(db, '100');
  await changeMailbox(
    db,
    lease,
    `credential_fingerprint = '${fingerprintOf(lease)}', lease_token = null, lease_expires_at = null,
     next_poll_at = now() + interval '86400 seconds', last_run_at = now() - interval '1 minute',
     listed_history_id = 100, shown_history_id = 100`,
  );
  return lease;
}
