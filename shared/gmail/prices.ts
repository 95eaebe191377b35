/**
 * Quota units of the Gmail methods that are used, since 1 May 2026.
 * Source: https://developers.google.com/workspace/gmail/api/reference/quota
 */
export const UNITS = {
  'users.getProfile': 1,
  'users.history.list': 2,
  'users.messages.list': 5,
  'users.messages.get': 20,
  'users.watch': 100,
  'users.stop': 50,
} as const;

export type GmailMethod = keyof typeof UNITS;
