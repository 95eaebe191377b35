/** What an operator can do about advice or an error. A client shows its own button or command for each. */
export const ACTIONS = [
  'start',
  'stop',
  /** Stop, then start. */
  'restart',
  'poll_now',
  'reconcile_all',
  'retry_dead',
  'requeue_emails',
  'confirm_mailbox',
  'authorize',
] as const;

export type AdviceAction = (typeof ACTIONS)[number];
