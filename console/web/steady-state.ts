/**
 * Keeps the heading "Watching" while a new email is fetched. Each email makes the state `catching_up` for a second or two; the
 * heading and the icon of the tab would alternate, and a screen reader would speak twice per email.
 */
import type { StateDescription } from './describe-state.ts';

/** A run that a push begins ends within seconds. */
const NEW_EMAIL_MS = 10_000;

export class SteadyState {
  /** The last overview that was `watching`; null after any other state. */
  #watching: { readonly label: string; readonly atMs: number } | null = null;

  /** @returns the description with the heading to show; its reason and figures stay those of the overview */
  of(description: StateDescription, nowMs: number): StateDescription {
    const { label, state, tone } = description;
    const watching = this.#watching;
    if (state === 'catching_up' && watching !== null && nowMs - watching.atMs < NEW_EMAIL_MS)
      return {
        ...description,
        state: 'watching',
        label: watching.label,
        tone: tone === 'active' ? 'ok' : tone,
      };
    this.#watching = state === 'watching' ? { label, atMs: nowMs } : null;
    return description;
  }
}
