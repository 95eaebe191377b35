/** Does Gmail still know the history from the cursor on? One page of history.list, two quota units. */
import type { Config } from '../../shared/config.ts';
import { Deadline } from '../../shared/deadline.ts';
import { AppError } from '../../shared/errors.ts';
import { createGmailClient } from '../../shared/gmail/gmail-client.ts';
import { type Finding, failure, ok, skip, warn } from './finding.ts';

const NAME = 'history_cursor';
const CALL_MS = 20_000;

/** @param cursor of the mailbox that the credentials reach; null when none is known yet */
export async function checkCursor({ gmail, ...config }: Config, cursor: string | null): Promise<Finding> {
  if (gmail === null) return skip(NAME, 'not looked at: it needs the credentials');
  if (cursor === null) return skip(NAME, 'none yet: the first cycle pins it');
  const client = createGmailClient({
    credentials: gmail,
    rootUrl: config.gmailApiRootUrl,
    tokenUrl: config.oauthTokenUrl,
  });
  try {
    const page = await client.listHistory(
      // Outside of the budget, which has room for two units.
      { deadline: Deadline.after(CALL_MS), acquireUnits: async () => undefined },
      { startHistoryId: cursor, pageToken: null },
    );
    return ok(NAME, `Gmail knows the history from ${cursor} on; it is at ${page.historyId}`);
  } catch (error) {
    if (!(error instanceof AppError && error.code === 'history_expired')) return failure(NAME, error);
    return warn(
      NAME,
      `Gmail no longer knows the history from ${cursor} on; the next cycle lists the gap by date and fetches it`,
      'POST start, or POST poll-now; then POST poll-now?reconcile=all. See why nothing ran for days.',
    );
  }
}
