/**
 * Resolves the label of a mailbox, an id or name; that of the first mailbox is GMAIL_LABEL_ID. Asks Gmail (1 unit) at `start`,
 * with each reconciliation, and when the setting has changed. While Gmail has no such label, every run asks, so that the system
 * recovers without an operator.
 * Invariant: while the label is missing, no message is ignored for it and none is fetched.
 */
import {
  type LabelColumns,
  readLabel,
  reopenIgnoredForLabel,
  saveLabel,
  saveMissingLabel,
} from '../db/label-setting.ts';
import { clearStartErrors, recordMonitorError } from '../db/monitor-status.ts';
import type { Deadline } from '../deadline.ts';
import { AppError, isDatabaseError, toAppError } from '../errors.ts';
import type { CallContext } from '../gmail/gmail-client.ts';
import type { Label } from '../gmail/response-schemas.ts';
import { callOutsideRun } from './call-outside-run.ts';
import { type IngestContext, requireGmail } from './ingest-context.ts';
import type { LabelState } from './label-rules.ts';
import type { RunContext } from './run-context.ts';

/** Per run, of 5,000 ids each, so that live mail does not wait for a long ledger. */
const REOPEN_BATCHES = 4;
/** No batch is started with less time left. */
const REOPEN_BATCH_MS = 2_000;
/** Label names in an error; a mailbox can have thousands. */
const MAX_NAMES = 50;

/**
 * Returns the label at the start of a run. Asks Gmail only when the stored answer belongs to another setting, or was that no
 * such label exists.
 *
 * While the label is `missing`, the run reads the history, enters the messages as pending with unknown labels, fetches
 * nothing and ends with the error.
 *
 * @param columns of the mailbox row
 * @throws {AppError} Gmail errors, database errors
 */
export async function labelOf(run: RunContext, columns: LabelColumns): Promise<LabelState> {
  const setting = run.config.labelId;
  const { mailboxId } = run.lease;
  const known = knownLabel(setting, columns);
  if (known === null) return await resolveLabel(run, mailboxId, run.call);
  if (columns.reopenedToId !== null) await reopen(run, mailboxId, columns.reopenedToId, run.deadline);
  return known;
}

/** @returns null when Gmail must be asked */
function knownLabel(setting: string | null, stored: LabelColumns): LabelState | null {
  if (setting !== stored.setting) return null;
  if (setting === null) return { kind: 'none' };
  return stored.labelId === null ? null : { kind: 'resolved', id: stored.labelId };
}

/**
 * Asks Gmail which label is meant and stores the answer. When it resolves to another label than before, the messages ignored
 * for the old one become pending and are classified again. Later runs continue if they are too many for one run.
 * Reconciliations call it even if the setting has not changed, because a label can be deleted.
 *
 * @throws {AppError} Gmail errors, database errors
 */
export async function resolveLabel(
  app: IngestContext,
  mailboxId: number,
  call: CallContext,
): Promise<LabelState> {
  const { db, log } = app;
  const setting = app.config.labelId;
  const stored = await readLabel(db, mailboxId);
  if (setting === null) {
    if (stored.setting !== null) {
      await saveLabel(db, mailboxId, { setting, labelId: null, reopens: true });
      await reopen(app, mailboxId, 0, call.deadline);
    }
    return { kind: 'none' };
  }
  const labels = await requireGmail(app).listLabels(call);
  const found = findLabel(labels, setting);
  if (found === null) {
    const error = new AppError('label_missing', missingDetail(setting, labels));
    await saveMissingLabel(db, mailboxId, { setting, detail: error.message });
    return { kind: 'missing', error };
  }
  const hasChanged = stored.labelId !== found.id;
  await saveLabel(db, mailboxId, { setting, labelId: found.id, reopens: hasChanged });
  if (hasChanged) {
    await reopen(app, mailboxId, 0, call.deadline);
    log.info('label_resolved', 'Only messages with the label are stored', {
      mailbox_id: mailboxId,
      label_id: found.id,
    });
  }
  return { kind: 'resolved', id: found.id };
}

/**
 * Resolves the label at `start`. A Gmail error does not fail `start`: the next run hits the same error and reports it.
 *
 * @throws {AppError} database errors
 */
export async function resolveLabelAtStart(
  app: IngestContext,
  mailboxId: number,
  deadline: Deadline,
): Promise<void> {
  try {
    const label = await resolveLabel(app, mailboxId, callOutsideRun(app, mailboxId, deadline));
    if (label.kind !== 'missing') return await clearStartErrors(app.db);
    await recordMonitorError(app.db, label.error, { isRun: false });
    logMissing(app, mailboxId, label.error);
  } catch (thrown) {
    const error = toAppError(thrown);
    if (isDatabaseError(error.code)) throw error;
    logMissing(app, mailboxId, error);
  }
}

function logMissing({ log }: IngestContext, mailboxId: number, error: AppError): void {
  log.write(error.severity, 'label_unresolved', `The label was not resolved: ${error.title}`, {
    mailbox_id: mailboxId,
    ...error.logFields,
  });
}

/** Reopens a bounded number of batches. The mailbox row stores where the next run continues. */
async function reopen(
  { db, log }: IngestContext,
  mailboxId: number,
  reopenedToId: number,
  deadline: Deadline,
): Promise<void> {
  let count = 0;
  let toId: number | null = reopenedToId;
  for (let batches = 0; batches < REOPEN_BATCHES && toId !== null; batches += 1) {
    // Reopen at least one batch per run: the shortest run budget never allows a second one.
    if (batches > 0 && !deadline.hasTimeFor(REOPEN_BATCH_MS)) break;
    const batch = await reopenIgnoredForLabel(db, mailboxId, toId);
    count += batch.count;
    toId = batch.reopenedToId;
  }
  if (count === 0) return;
  log.info('label_resolved', 'Messages that were ignored for another label are pending again', {
    mailbox_id: mailboxId,
    message_count: count,
  });
}

/** Matches by id, then by exact name, then by name ignoring case, as Gmail's search box does. */
export function findLabel(labels: readonly Label[], setting: string): Label | null {
  const wanted = setting.toLowerCase();
  return (
    labels.find((label) => label.id === setting) ??
    labels.find((label) => label.name === setting) ??
    labels.find((label) => label.name.toLowerCase() === wanted) ??
    null
  );
}

/** Label names are configuration, not mail content. System labels, whose id is their name, are left out. */
export function missingDetail(setting: string, labels: readonly Label[]): string {
  const names = labels.filter((label) => label.id !== label.name).map((label) => `"${label.name}"`);
  const shown = names.sort().slice(0, MAX_NAMES).join(', ');
  const rest = names.length > MAX_NAMES ? ` and ${names.length - MAX_NAMES} more` : '';
  return (
    `The configured label is "${setting}". ` +
    (names.length === 0 ? 'The mailbox has no labels of its own.' : `The mailbox has ${shown}${rest}.`)
  );
}
