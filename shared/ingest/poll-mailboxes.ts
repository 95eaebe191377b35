/**
 * Works on all mailboxes that are due: called by `poll`, and by `poll-now` for all mailboxes. With WORK_PUBSUB_TOPIC each is
 * published, and `ingestMailbox` runs it. Without, they run here, a few at a time. One mailbox always runs here.
 */
import { requeueDeadLetters } from '../db/dead-letters.ts';
import { type FirstMailboxState, type Mailbox, readFirstMailbox } from '../db/mailboxes.ts';
import { planFullReconciliation } from '../db/reconciliation.ts';
import { noCounts } from '../db/runs.ts';
import { Semaphore } from '../limits/semaphore.ts';
import type { Log } from '../log.ts';
import { findPollWork, listActiveMailboxes, listDueMailboxes } from '../mailboxes/due-mailboxes.ts';
import type { MailboxSettings } from '../mailboxes/mailbox-settings.ts';
import type { IngestContext, Outcome } from './ingest-context.ts';
import { type IngestReport, type IngestRequest, ingestMailbox } from './ingest-mailbox.ts';
import type { MailboxContexts } from './mailbox-contexts.ts';
import { publishLeftovers } from './publish-leftovers.ts';
import { type InPlaceReport, type OpenContext, runInPlace } from './run-in-place.ts';

/** Mailboxes of the database that are prepared at the same time. */
const MAX_PREPARED = 4;

/** What was done for all mailboxes together. */
export interface PollReport extends Omit<IngestReport, 'outcome'> {
  readonly outcome: Outcome | 'dispatched';
  /** Mailboxes that were published; null without a topic, and for one mailbox. */
  readonly dispatched: number | null;
  /** Mailboxes that ran here, and those of them that failed; null for one mailbox. */
  readonly mailboxes: InPlaceReport['mailboxes'] | null;
}

/** @throws {AppError} database errors, work_topic_denied, work_topic_unavailable, google_credentials_missing */
export async function pollMailboxes(
  contexts: MailboxContexts,
  request: IngestRequest,
  log: Log,
): Promise<PollReport> {
  const first = { ...contexts.first, log };
  const isManual = request.trigger === 'manual';
  const { hasAdded, unpublishedIds } = await findPollWork(first.db, first.credentialFingerprint, isManual);
  if (unpublishedIds.length > 0) await publishLeftovers(first, unpublishedIds, request.deadline);
  // A scheduled run itself skips a paused mailbox.
  if (!hasAdded && !isManual) return ofOne(await ingestMailbox(first, request));
  const known = await readFirstMailbox(first.db, first.credentialFingerprint ?? '');
  // Stopped: as for one mailbox, the run of the first says so.
  const isStopped = !isManual && !known.isRunning;
  if (isStopped || (!hasAdded && !known.isPaused)) return ofOne(await ingestMailbox(first, request));
  // Records that the environment has no credentials.
  if (first.gmail === null) await ingestMailbox(first, request);
  const isFirstDue = isDue(first, known, isManual);
  const added = isManual ? await listActiveMailboxes(first.db) : await listDueMailboxes(first.db);
  if (isManual && !isFirstDue && added.length === 0) return skipPaused(log);
  const dueFirst = isFirstDue ? known.mailbox : null;
  // Also of mailboxes that this request has no time for.
  if (request.reconcile === 'all')
    await forEachMailbox(dueFirst, added, async (id) => await planFullReconciliation(first.db, id));
  if (contexts.workTopic === null) {
    const runs: OpenContext[] = added.map((settings) => async () => await contexts.of(settings, log));
    if (isFirstDue) runs.unshift(async () => contexts.ofFirst(log));
    return { ...(await runInPlace(runs, request)), dispatched: null };
  }
  const published = dueFirst === null ? added : [dueFirst, ...added];
  const dispatched = published.length;
  await contexts.workTopic.publish(published, isManual ? 'manual' : 'schedule');
  log.info('mailboxes_dispatched', `Published ${dispatched} due mailboxes`, { mailbox_count: dispatched });
  const outcome = dispatched === 0 ? 'not_due' : 'dispatched';
  // No message can name an account that Gmail has not named yet.
  if (!isFirstDue || dueFirst !== null)
    return { outcome, counts: noCounts(), error: null, dispatched, mailboxes: null };
  const report = await ingestMailbox(contexts.ofFirst(log), request);
  const isDispatched = dispatched > 0 && report.error === null;
  return { ...report, outcome: isDispatched ? outcome : report.outcome, dispatched, mailboxes: null };
}

/** An operator named no mailbox, and all are paused. */
function skipPaused(log: Log): PollReport {
  log.info('run_skipped', 'Skipped: paused', { outcome: 'paused', trigger: 'manual' });
  return ofOne({ outcome: 'paused', counts: noCounts(), error: null });
}

function isDue({ gmail }: IngestContext, known: FirstMailboxState, isManual: boolean): boolean {
  if (gmail === null || known.isPaused) return false;
  return isManual || known.mailbox === null || known.mailbox.isPollDue;
}

/**
 * Requeues the dead messages of all mailboxes that are not paused.
 *
 * @returns how many
 */
export async function requeueDeadOfAll(contexts: MailboxContexts): Promise<number> {
  const { credentialFingerprint, db } = contexts.first;
  const first = await readFirstMailbox(db, credentialFingerprint ?? '');
  const added = await listActiveMailboxes(db);
  let count = 0;
  await forEachMailbox(first.isPaused ? null : first.mailbox, added, async (mailboxId) => {
    const requeued = await requeueDeadLetters(db, mailboxId);
    count += requeued;
  });
  return count;
}

async function forEachMailbox(
  first: Mailbox | null,
  added: readonly MailboxSettings[],
  work: (mailboxId: number) => Promise<void>,
): Promise<void> {
  const ids = [first?.id ?? null, ...added.map(({ mailboxId }) => mailboxId)].filter((id) => id !== null);
  const limit = new Semaphore(MAX_PREPARED);
  await Promise.all(ids.map(async (id) => await limit.run(async () => await work(id))));
}

/** The report of the one mailbox that ran. */
export function ofOne(report: IngestReport): PollReport {
  return { ...report, dispatched: null, mailboxes: null };
}
