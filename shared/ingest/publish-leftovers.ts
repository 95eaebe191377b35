/** Publishes the emails that an earlier run left in the outbox, when no run is due. */
import { randomUUID } from 'node:crypto';
import { type Lease, releaseLease, takeLeaseWithoutRun } from '../db/lease.ts';
import { Deadline } from '../deadline.ts';
import { createPublisher } from '../handoff/email-publisher.ts';
import type { IngestContext } from './ingest-context.ts';
import { startLeaseHeartbeat, withDatabaseRetries } from './run-lease.ts';

/** The lease blocks other instances. The next poll publishes the rest. */
const MAX_MS = 5_000;

/**
 * Takes the lease for it, for at most five seconds, or until a push stores a newer hint. Does nothing without a topic, or while
 * another instance holds the lease.
 *
 * @throws {AppError} database errors
 */
export async function publishLeftovers(
  app: IngestContext,
  mailboxId: number,
  invocation: Deadline,
): Promise<void> {
  const lease: Lease = { mailboxId, token: randomUUID() };
  if (app.emailsTopic === null || !(await takeLeaseWithoutRun(app.db, lease, app.holder))) return;
  const stopHeartbeat = startLeaseHeartbeat(app.db, lease);
  const deadline = Deadline.after(Math.min(MAX_MS, invocation.remainingMs()), app.clock);
  const publisher = createPublisher(app, { lease, deadline, hasUnpublished: true });
  try {
    await publisher?.flushUntilHint();
  } finally {
    stopHeartbeat();
    // Not awaited, because a push waits. A batch that Pub/Sub acknowledges later still leaves the outbox.
    void publisher?.stop();
    // If it fails, the lease expires.
    await withDatabaseRetries(app, async () => await releaseLease(app.db, lease)).catch(() => undefined);
  }
}
