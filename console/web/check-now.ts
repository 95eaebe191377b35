/** Compares all email since the first start with Gmail's own list, at the operator's request, and reports the result. */
import type { OverviewJson } from '../../shared/schemas/overview.ts';
import type { PollAnswerJson } from '../../shared/schemas/poll.ts';
import { CONSOLE_API, get, MONITOR_API, post } from './api.ts';
import { pollResultText, runAction } from './controls.ts';
import { currentMailbox } from './describe-state.ts';
import { pluralize } from './format-number.ts';
import { announce } from './notices.ts';

/** An awaited result: when the full check before it had ended; null without one. */
interface Awaited {
  readonly previousAt: string | null;
}

let awaited: Awaited | null = null;

export async function checkNow(control: HTMLButtonElement, onChange: () => Promise<void>): Promise<void> {
  await runAction(control, 'Checking…', onChange, async () => {
    awaited = null;
    const request = { previousAt: fullCheck(await readOverview())?.at ?? null };
    const answer = await post<PollAnswerJson>(`${MONITOR_API}/poll-now?reconcile=all`);
    if (answer.outcome === 'paused') return pollResultText(answer);
    const overview = await readOverview();
    const result = resultOf(overview, request);
    if (result !== null) return result;
    awaited = request;
    return overview.status.is_running
      ? 'The check has begun. A later run ends it, and its result appears here.'
      : 'The check has begun. While the monitor is stopped, no run ends it: press “Check now” again after two minutes.';
  });
}

/** Announces the result of a check that a later run has ended. */
export function showCheckResult(overview: OverviewJson): void {
  const result = awaited === null ? null : resultOf(overview, awaited);
  if (result === null) return;
  awaited = null;
  announce(result);
}

function resultOf(overview: OverviewJson, { previousAt }: Awaited): string | null {
  const full = fullCheck(overview);
  if (full === null || full.at === previousAt) return null;
  const { gmail_count: count, missing_count: missing } = full;
  const found = missing === 0 ? 'None is missing.' : `${pluralize(missing, 'message')} missing.`;
  return `Checked: Gmail lists ${pluralize(count, 'message')} since the first start. ${found}`;
}

function fullCheck(overview: OverviewJson) {
  return currentMailbox(overview)?.reconciliation?.full ?? null;
}

async function readOverview(): Promise<OverviewJson> {
  return await get<OverviewJson>(`${CONSOLE_API}/overview`);
}
