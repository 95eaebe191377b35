/**
 * Keeps the heading "Watching", or "Not checked yet", while a new email is fetched. Each email makes the state `catching_up` for
 * a second or two; the heading and the icon of the tab would alternate, and a screen reader would speak twice per email.
 */
import type { OverviewJson } from '../../shared/schemas/overview.ts';
import { describeState, type StateDescription } from './describe-state.ts';

/** A run that a push begins ends within seconds. */
const NEW_EMAIL_MS = 10_000;

export class SteadyState {
  /** The last overview, if nothing was waiting. */
  #idle: (Pick<StateDescription, 'label' | 'state'> & { readonly atMs: number }) | null = null;

  /** @returns the description with the heading to show; its reason and figures stay those of the overview */
  of(overview: OverviewJson, nowMs: number): StateDescription {
    const description = describeState(overview);
    const { label, state, tone } = description;
    const idle = this.#idle;
    if (isNewEmail(overview) && idle !== null && nowMs - idle.atMs < NEW_EMAIL_MS)
      return {
        ...description,
        state: idle.state,
        label: idle.label,
        tone: tone === 'active' && idle.state === 'watching' ? 'ok' : tone,
      };
    this.#idle = state === 'watching' || state === 'unchecked' ? { label, state, atMs: nowMs } : null;
    return description;
  }
}

/** The state is `catching_up` only because email arrived: no email is missing, and no older one is listed. */
function isNewEmail({ status: { mailboxes, state, totals } }: OverviewJson): boolean {
  return state === 'catching_up' && (totals.missing ?? 0) === 0 && !mailboxes.some((one) => one.is_listing);
}
