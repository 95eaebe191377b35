/**
 * Gmail's historyId: an unsigned 64-bit integer, kept as decimal digits because a JavaScript number would round it.
 * The database stores it in a type that holds exactly this range.
 * Source: https://developers.google.com/workspace/gmail/api/reference/rest/v1/users.history/list
 */
const MAX_HISTORY_ID = 2n ** 64n - 1n;

/** @returns true for 1 to 20 digits that are at most 2^64 - 1 */
export function isHistoryId(text: string): boolean {
  return /^\d{1,20}$/.test(text) && BigInt(text) <= MAX_HISTORY_ID;
}
