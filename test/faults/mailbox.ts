/** The mailbox of every world. */
export const MAILBOX = 'inbox@example.com';
