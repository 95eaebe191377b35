/** Publishes the emails that an earlier run left in the outbox, when no run is due. */
import { randomUUID } from 'node:crypto';
import { type Lease, releaseLease, takeLeaseWithoutRun } from '../db/lease.ts';
import type { Deadline } from '../deadline.ts';
import { createPublisher } from './email-publisher.ts';
import type { IngestContext } from './ingest-context.ts';
import { startLeaseHeartbeat, withDatabaseRetries } from './run-lease.ts';

/**
 * Takes the lease for it. Does nothing without a topic, or while another instance holds the lease.
 *
 * @throws {AppError} database errors
 */
export async function publishLeftovers(
  app: IngestContext,
  mailboxId: number,
  deadline: Deadline,
): Promise<void> {
  const lease: Lease = { mailboxId, token: randomUUID() };
  if (app.emailsTopic === null || !(await takeLeaseWithoutRun(app.db, lease, app.holder))) return;
  const stopHeartbeat = startLeaseHeartbeat(app.db, lease);
  const publisher = createPublisher(app, { lease, deadline, hasUnpublished: true });
  try {
    await publisher?.flush();
  } finally {
    stopHeartbeat();
    await publisher?.stop();
    // If it fails, the lease expires.
    await withDatabaseRetries(app, async () => await releaseLease(app.db, lease)).catch(() => undefined);
  }
}
