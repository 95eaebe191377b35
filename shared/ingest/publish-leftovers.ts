/** Publishes the emails that earlier runs left in the outbox, when no run is due. */
import { randomUUID } from 'node:crypto';
import { type Lease, releaseLease, takeLeaseWithoutRun } from '../db/lease.ts';
import { Deadline } from '../deadline.ts';
import { toAppError } from '../errors.ts';
import { createPublisher } from '../handoff/email-publisher.ts';
import { Semaphore } from '../limits/semaphore.ts';
import type { IngestContext } from './ingest-context.ts';
import { startLeaseHeartbeat, withDatabaseRetries } from './run-lease.ts';

/** For all mailboxes. Each lease blocks other instances. The next poll publishes the rest. */
const MAX_MS = 5_000;
/** No mailbox is started with less time left. */
const MIN_MS = 1_000;
const MAX_AT_ONCE = 4;

/** For at most five seconds. Does nothing without a topic. Never fails. */
export async function publishLeftovers(
  app: IngestContext,
  mailboxIds: readonly number[],
  invocation: Deadline,
): Promise<void> {
  if (app.emailsTopic === null) return;
  const deadline = Deadline.after(Math.min(MAX_MS, invocation.remainingMs()), app.clock);
  const limit = new Semaphore(MAX_AT_ONCE);
  const publish = async (mailboxId: number): Promise<void> => {
    if (!deadline.hasTimeFor(MIN_MS)) return;
    const log = app.log.with({ mailbox_id: mailboxId });
    try {
      await publishUnderLease({ ...app, log }, mailboxId, deadline);
    } catch (thrown) {
      // The row of one mailbox may be locked. The others still run, and fail themselves if the database does not answer.
      const error = toAppError(thrown);
      log.write(error.severity, 'database_error', 'Unpublished emails wait for the next poll', {
        error_code: error.code,
        detail: error.message,
      });
    }
  };
  await Promise.all(mailboxIds.map(async (id) => await limit.run(async () => await publish(id))));
}

/** Until a push stores a newer hint. Does nothing while another instance holds the lease. @throws {AppError} database errors */
async function publishUnderLease(app: IngestContext, mailboxId: number, deadline: Deadline): Promise<void> {
  const lease: Lease = { mailboxId, token: randomUUID() };
  if (!(await takeLeaseWithoutRun(app.db, lease, app.holder))) return;
  const stopHeartbeat = startLeaseHeartbeat(app.db, lease);
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
