/**
 * One attempt at one message: fetched and stored, or its failure told apart into the message's own, the
 * mailbox's, and the outage's. Never throws.
 */
import { type AttemptEnd, type Claim, endAttempt } from '../db/attempts.ts';
import { type AppError, needsPerson, stackOf, toAppError } from '../errors.ts';
import type { RawMessage } from '../gmail/gmail-client.ts';
import type { Lane } from './lanes.ts';
import { type Rule, ruleAgainstFetched } from './rules.ts';
import type { Run } from './run.ts';
import { storeMessage } from './store-message.ts';

/**
 * With the waits below, the last one comes about six hours after the first: longer than Gmail's usual outages,
 * short enough that somebody hears of it on the same day.
 */
export const MAX_ATTEMPTS = 8;
const FIRST_WAIT_MS = 20_000;
const WAIT_FACTOR = 3;
const LONGEST_WAIT_MS = 4 * 3_600_000;

export type AttemptResult =
  | { readonly end: 'stored' }
  /** Gone, ignored, stored by somebody else, or refused for its own sake. */
  | { readonly end: 'settled' }
  | { readonly end: 'out_of_time' }
  /** To be tried again, and the reason need not be the message's. */
  | { readonly end: 'failed'; readonly error: AppError; readonly isCharged: boolean }
  /** Nothing can be fetched at present, this message or another. */
  | { readonly end: 'fatal'; readonly error: AppError };

/** @param enter for a place in flight, see `lanes.ts` */
export async function attemptMessage(run: Run, claim: Claim, enter: Lane['enter']): Promise<AttemptResult> {
  try {
    return await fetchAndStore(run, claim, enter);
  } catch (thrown) {
    const error = toAppError(thrown);
    try {
      return await settleFailure(run, claim, error);
    } catch (again) {
      return { end: 'fatal', error: toAppError(again) };
    }
  }
}

async function fetchAndStore(run: Run, claim: Claim, enter: Lane['enter']): Promise<AttemptResult> {
  const pass = run.system.largeGate.pass();
  let isInside = false;
  const onLarge = async () => {
    await pass.enter();
    isInside = true;
  };
  // Whoever is inside the gate for large messages, one at a time, needs no place for its next call: those who have the
  // places may be waiting for the gate.
  const place: Lane['enter'] = async () => (isInside ? () => undefined : await enter());
  try {
    const call = { ...run.call, enter: place };
    const message = await run.gmail.getRawMessage(call, claim.gmailMessageId, onLarge);
    run.gmail.pacer.succeeded();
    const rule = ruleFor(run, claim, message);
    if (rule !== null) {
      await endAttempt(run.db, run.fence, claim.gmailMessageId, { state: 'ignored', rule });
      run.counts.ignored += 1;
      return { end: 'settled' };
    }
    const storedAt = await storeMessage(run, claim, message);
    if (storedAt === null) return { end: 'settled' };
    run.counts.stored += 1;
    noteArrival(run, claim, message, storedAt);
    return { end: 'stored' };
  } finally {
    pass.leave();
  }
}

/**
 * How long a live mail took from Gmail's acceptance to its commit. Not of what a listing brought, and not where only
 * a label's mail counts: there a mail may arrive long after Gmail accepted it.
 */
function noteArrival(run: Run, claim: Claim, { internalDate }: RawMessage, storedAt: Date): void {
  if (claim.source !== 'history' || run.config.labelId !== null || internalDate === null) return;
  // Two clocks: Gmail's may be ahead of the database's.
  const tookMs = Math.max(0, storedAt.getTime() - internalDate.getTime());
  run.counts.arrivalToStoredMaxMs = Math.max(tookMs, run.counts.arrivalToStoredMaxMs ?? 0);
}

function ruleFor(run: Run, claim: Claim, message: RawMessage): Rule | null {
  const { source } = claim;
  // A listing has asked for the label itself.
  const labelId = source === 'history' ? run.config.labelId : null;
  const rule = claim.checkLabels ? ruleAgainstFetched(new Set(message.labelIds), labelId) : null;
  const isByDate = source === 'proof' || source === 'gap';
  return rule ?? (isByDate && arrivedBeforeStart(run, message) ? 'before_start' : null);
}

/** Gmail's search knows seconds, so a listing by date begins a little early. A label may come later than the mail. */
function arrivedBeforeStart(run: Run, { internalDate }: RawMessage): boolean {
  return run.config.labelId === null && internalDate !== null && internalDate < run.mailboxCreatedAt;
}

async function settleFailure(run: Run, claim: Claim, error: AppError): Promise<AttemptResult> {
  const end = async (attemptEnd: AttemptEnd) =>
    await endAttempt(run.db, run.fence, claim.gmailMessageId, attemptEnd);
  const { code, message: detail } = error;
  const handBack: AttemptEnd = { state: 'pending', code, detail, waitMs: 0, counts: false };

  if (code === 'message_gone') {
    await end({ state: 'gone' });
    run.counts.gone += 1;
    return { end: 'settled' };
  }
  if (code === 'out_of_time') {
    await end(handBack);
    return { end: 'out_of_time' };
  }
  if (code === 'lease_lost') return { end: 'fatal', error };
  if (needsPerson(code) || code === 'schema_outdated' || code === 'database_denied') {
    await end(handBack);
    return { end: 'fatal', error };
  }
  run.counts.failed += 1;
  if (code === 'gmail_rate_limited') {
    await end({ ...handBack, waitMs: FIRST_WAIT_MS });
    return { end: 'failed', error, isCharged: false };
  }
  const fields = {
    gmail_message_id: claim.gmailMessageId,
    attempt: claim.attempt,
    error_code: code,
    detail,
    stack: stackOf(error),
  };
  // A database that is away fails here too, and ends the run; one that failed at this message only does not.
  await end({ state: 'pending', code, detail, waitMs: waitMs(run, claim.attempt), counts: true });
  run.log.write('WARNING', 'message_failed', 'A message failed', fields);
  return error.retry === 'later' ? { end: 'failed', error, isCharged: true } : { end: 'settled' };
}

function waitMs(run: Run, attempt: number): number {
  const step = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * WAIT_FACTOR ** (attempt - 1));
  return step * (0.75 + run.system.random() / 4);
}
