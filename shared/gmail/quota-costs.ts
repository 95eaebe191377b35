/**
 * Quota units per call of the Gmail methods that this system uses, valid since 1 May 2026.
 * Source: https://developers.google.com/workspace/gmail/api/reference/quota
 */
export const QUOTA_COSTS = {
  'users.getProfile': 1,
  'users.labels.list': 1,
  'users.history.list': 2,
  'users.messages.list': 5,
  'users.messages.get': 20,
  'users.watch': 100,
  'users.stop': 50,
} as const;

export type GmailMethod = keyof typeof QUOTA_COSTS;
