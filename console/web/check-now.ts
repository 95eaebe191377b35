/** Compares all email since the first start with Gmail's own list, at the operator's request, and reports the result. */
import type { MailboxStatusJson } from '../../shared/schemas/mailbox-status.ts';
import type { OverviewJson } from '../../shared/schemas/overview.ts';
import type { PollAnswerJson } from '../../shared/schemas/poll.ts';
import { CONSOLE_API, get, MONITOR_API, Problem, post } from './api.ts';
import { pollResultText, runAction } from './controls.ts';
import { formatNumber, pluralize } from './format-number.ts';
import { announce } from './notices.ts';
import { hasSeveral, isLockedOut, lockedOutCount, mailboxes } from './several-mailboxes.ts';

const NAMED_MAILBOXES = 3;

/** When the last full check of each mailbox had ended, by address, before the awaited one; null without one. */
type EndedAt = ReadonlyMap<string, string | null>;

let awaited: EndedAt | null = null;

export async function checkNow(control: HTMLButtonElement, onChange: () => Promise<void>): Promise<void> {
  await runAction(control, 'Checking…', onChange, async () => {
    awaited = null;
    const request: EndedAt = new Map(
      (await readOverview()).status.mailboxes.map((one) => [one.email_address, endedAt(one)]),
    );
    const answer = await postCheck();
    if (answer.outcome === 'paused' || answer.outcome === 'not_configured') return pollResultText(answer);
    const overview = await readOverview();
    const result = resultOf(overview, request);
    if (result === null) awaited = request;
    const begun = overview.status.is_running
      ? 'The check has begun. A later run ends it, and its result appears here.'
      : 'The check has begun. While the monitor is stopped, no run ends it: press “Check now” again after two minutes.';
    const text = result ?? begun;
    throwIfLockedOut(overview, text);
    return text;
  });
}

/** @throws {Problem} that names the mailboxes, when the run of each of several has failed because it is locked out */
async function postCheck(): Promise<PollAnswerJson> {
  try {
    return await post<PollAnswerJson>(`${MONITOR_API}/poll-now?reconcile=all`);
  } catch (error) {
    const overview = await readOverview();
    const isSame = (one: MailboxStatusJson) =>
      error instanceof Problem && error.code === one.last_error?.code;
    if (lockedOut(overview).some(isSame)) throwIfLockedOut(overview);
    throw error;
  }
}

/**
 * One mailbox is named at the top of the page, and its run returns the reason.
 *
 * @throws {Problem}
 */
function throwIfLockedOut(overview: OverviewJson, textOfOthers: string | null = null): void {
  const [first, ...more] = lockedOut(overview);
  if (first === undefined || !hasSeveral(overview)) return;
  const count = lockedOutCount(overview);
  const { mailbox_count: all, totals } = overview.status;
  const hasOthers = textOfOthers !== null && count + totals.paused_count < all;
  const ofOthers = hasOthers ? ` Other mailboxes: ${textOfOthers}` : '';
  const { email_address: address, last_error: error } = first;
  if (count === 1)
    throw new Problem(
      `${address} cannot be checked while it is locked out`,
      `${error?.detail ?? error?.code ?? ''}${ofOthers}`,
      error?.remediation ?? '',
    );
  const named = [first, ...more].slice(0, NAMED_MAILBOXES).map((one) => one.email_address);
  const others = count > named.length ? ` and ${formatNumber(count - named.length)} more` : '';
  throw new Problem(
    `${mailboxes(count)} cannot be checked while they are locked out`,
    `${named.join(', ')}${others}.${ofOthers}`,
    'The list of mailboxes on this page says what to do for each.',
  );
}

/** Announces the result of a check that a later run has ended. */
export function showCheckResult(overview: OverviewJson): void {
  const result = awaited === null ? null : resultOf(overview, awaited);
  if (result === null) return;
  awaited = null;
  announce(result);
}

/** The result of the mailboxes that can be checked, once all of them have one. The overview has the worst 100. */
function resultOf(overview: OverviewJson, before: EndedAt): string | null {
  const checked = monitored(overview).filter(({ state }) => !isLockedOut(state));
  const full = checked.flatMap(({ reconciliation }) => reconciliation?.full ?? []);
  const isNew = (one: MailboxStatusJson) => {
    const at = endedAt(one);
    return at !== null && at !== (before.get(one.email_address) ?? null);
  };
  if (checked.length === 0 || !checked.every(isNew)) return null;
  const count = full.reduce((sum, one) => sum + one.gmail_count, 0);
  const missing = full.reduce((sum, one) => sum + one.missing_count, 0);
  const found = missing === 0 ? 'None is missing.' : `${pluralize(missing, 'message')} missing.`;
  const all = overview.status.mailbox_count;
  const part = checked.length < all ? `${formatNumber(checked.length)} of ` : '';
  const which = hasSeveral(overview) ? ` ${part}${mailboxes(all)}` : '';
  return `Checked${which}: Gmail lists ${pluralize(count, 'message')} since the first start. ${found}`;
}

function lockedOut(overview: OverviewJson): MailboxStatusJson[] {
  return monitored(overview).filter(({ state }) => isLockedOut(state));
}

/** Without the paused ones, which no check of all mailboxes reads. */
function monitored({ status }: OverviewJson): MailboxStatusJson[] {
  return status.mailboxes.filter((one) => one.is_current && !one.is_paused);
}

function endedAt({ reconciliation }: MailboxStatusJson): string | null {
  return reconciliation?.full?.at ?? null;
}

async function readOverview(): Promise<OverviewJson> {
  return await get<OverviewJson>(`${CONSOLE_API}/overview`);
}
