/** The states of a mailbox and of the whole, the most pressing first: the first that applies counts. */
export const STATES = [
  /** No usable credentials: none are set, their file cannot be read, or the mailbox belongs to other credentials. */
  'not_configured',
  /** Google refuses the refresh token. */
  'reauth_required',
  /** Google or Gmail denies access, or an operator has to confirm the mailbox. */
  'access_denied',
  /** An operator stopped it. */
  'stopped',
  /** The last run failed; `next_poll_at` is the next try. */
  'backing_off',
  /** On, but no run began for three intervals, at least five minutes, or none that began ended. The advice says which. */
  'not_polling',
  /** Messages cannot be fetched or stored; the others are. See `failing`. */
  'fetch_failing',
  /** Push cannot be set up, or is silent; polling continues. See `watch`. */
  'watch_failing',
  /** No run has succeeded yet. */
  'starting',
  /** Messages wait to be fetched, or a listing or the history is not read to its end. */
  'catching_up',
  /** Everything that Gmail has shown is stored. */
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
