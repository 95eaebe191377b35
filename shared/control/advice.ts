/** What a person should do now, one sentence each, the most pressing first. Empty when all is well. */
import type { Config } from '../config.ts';
import type { MonitorStatus } from '../db/monitor-status.ts';
import type { RefusedListing } from '../db/refused-listings.ts';
import { remediationFor } from '../errors.ts';
import type { MailboxStatus, StatusBody } from './status.ts';

/** Proofs come every quarter of an hour; a large backlog may put them off for a while. */
const STALE_PROOF_MS = 3 * 3_600_000;

/** Cycles that may be missed before somebody is told: a deployment, a slow start. */
const MISSED_CYCLES = 5;

export function adviceFor(
  status: Omit<StatusBody, 'advice'>,
  config: Config,
  row: Pick<MonitorStatus, 'lastErrorCode' | 'updatedAt' | 'readAt'>,
  refused: readonly RefusedListing[] = [],
): string[] {
  const advice: string[] = [];
  if (config.gmail === null) {
    advice.push(`Set ${config.missingCredentials.join(', ')}; \`npm run authorize\` obtains them.`);
    return advice;
  }
  const current = status.mailboxes.find((mailbox) => mailbox.is_current);
  const remediation = current === undefined ? remediationFor(row.lastErrorCode) : (current.last_error?.remediation ?? null);
  if (remediation !== null) advice.push(remediation);
  const watchRemediation = current?.watch?.error?.remediation ?? null;
  if (watchRemediation !== null) advice.push(watchRemediation);
  const scheduler = schedulerAdvice(status);
  if (scheduler !== null) advice.push(scheduler);
  if (!status.is_running)
    advice.push('The monitor is stopped: POST start to fetch what has arrived meanwhile.');
  else if (isSilent(status, config, row)) {
    advice.push(
      'No cycle has run for several intervals: check that the scheduler reaches the poll function.',
    );
  }
  for (const mailbox of status.mailboxes) {
    if (mailbox.ledger.dead > 0) {
      const messages = mailbox.ledger.dead === 1 ? '1 message' : `${mailbox.ledger.dead} messages`;
      advice.push(
        `${messages} of ${mailbox.email_address} failed every time: see error_code in ` +
          'email_ledger where state is dead, then POST poll-now?retry=dead.',
      );
    }
  }
  if (current !== undefined) advice.push(...proofAdvice(current, status.is_running, row.readAt));
  for (const listing of refused) {
    advice.push(
      `Gmail refused the ${listing.purpose} listing "${listing.query}" (${listing.detail}): ` +
        (listing.isFinished
          ? 'plan it again with another query by `npm run backfill`.'
          : 'it is asked again within the hour; check GMAIL_INITIAL_QUERY and GMAIL_LABEL_ID.'),
    );
  }
  return [...new Set(advice)];
}

/** What was true at the last proof need not be true now. */
function proofAdvice(mailbox: MailboxStatus, isRunning: boolean, now: Date): string[] {
  const advice: string[] = [];
  const { proof, watch } = mailbox;
  if (proof !== null && proof.missing_count > 0) {
    advice.push(
      `The last proof found ${proof.missing_count} missing: they are fetched; see incidents, and POST poll-now?prove=all.`,
    );
  }
  if (isRunning && proof !== null && now.getTime() - proof.proved_at.getTime() > STALE_PROOF_MS) {
    advice.push(
      'Completeness has not been proven for hours: see whether cycles end as completed, then POST poll-now?prove=all.',
    );
  }
  if (isRunning && watch?.expires_at && watch.expires_at < now) {
    advice.push('The push watch has run out: POST start registers it again; polling goes on.');
  }
  return advice;
}

function schedulerAdvice({ scheduler, is_running: isRunning }: Omit<StatusBody, 'advice'>): string | null {
  if (scheduler === null) return null;
  if (scheduler.error !== null) return scheduler.error.remediation;
  // Said while the monitor is off too: it could not be started.
  if (scheduler.state === 'missing') return remediationFor('scheduler_job_missing');
  if (scheduler.state === 'disabled' || scheduler.state === 'update_failed') {
    return `Cloud Scheduler has put its job out of action (${scheduler.state}), and start cannot resume it: run \`terraform apply\`.`;
  }
  if (scheduler.agrees === true) return null;
  return isRunning
    ? `The monitor is on but its scheduler job is ${scheduler.state}: POST start resumes it, POST stop stops both.`
    : `The monitor is off but its scheduler job is ${scheduler.state}: POST stop pauses it, POST start starts both.`;
}

/** By the clock of the database, of which the times are: that of an instance may be minutes off. */
function isSilent(
  status: Omit<StatusBody, 'advice'>,
  config: Config,
  row: Pick<MonitorStatus, 'updatedAt' | 'readAt'>,
): boolean {
  const waitMs = Math.max(60, config.pollIntervalSeconds) * 1_000;
  const dueMs = status.mailboxes.reduce(
    (latest, mailbox) => Math.max(latest, mailbox.next_poll_at?.getTime() ?? 0),
    // Never polled: since it was turned on.
    (status.last_poll_at ?? row.updatedAt).getTime(),
  );
  return row.readAt.getTime() - dueMs > MISSED_CYCLES * waitMs;
}
