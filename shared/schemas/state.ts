/** The states of a mailbox and of the monitor, in order of precedence: the first one that applies is reported. */
export const STATES = [
  /** No usable credentials: none are set, their file cannot be read, or the mailbox belongs to other credentials. */
  'not_configured',
  /** Google rejects the refresh token. */
  'reauth_required',
  /** Google or Gmail denies access, or an operator has to confirm the mailbox. */
  'access_denied',
  /** An operator stopped the monitor (`is_running` is false), or paused the mailbox or all mailboxes (the advice is `paused`). */
  'stopped',
  /** The last run failed; `next_poll_at` is the time of the next one. */
  'backing_off',
  /** On, but for three intervals (at least five minutes) no run began, or no run ended. The advice says which. */
  'not_polling',
  /** Some messages cannot be fetched or stored; the others are stored. See `failing`. */
  'fetch_failing',
  /** Push cannot be set up, or no push notification arrives. Polling continues. See `watch`. */
  'watch_failing',
  /** No run has succeeded yet. */
  'starting',
  /**
   * Messages wait to be fetched, a listing or the history is not read to its end, or the last reconciliation found messages
   * missing.
   */
  'catching_up',
  /** Every message that Gmail has listed is stored, and the last reconciliation found none missing. */
  'watching',
] as const;

export type State = (typeof STATES)[number];

/** The states in which an operator has to act, or should look. */
export const UNHEALTHY_STATES: ReadonlySet<State> = new Set([
  'reauth_required',
  'access_denied',
  'backing_off',
  'not_polling',
  'fetch_failing',
  'watch_failing',
]);
