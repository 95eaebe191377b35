/** Checks that Gmail still has the history after the cursor. Reads one page of history.list, two quota units. */
import type { Config } from '../../shared/config.ts';
import { Deadline } from '../../shared/deadline.ts';
import { AppError } from '../../shared/errors.ts';
import { createGmailClient } from '../../shared/gmail/gmail-client.ts';
import { type CheckResult, failure, ok, skip, warn } from './check-result.ts';

const NAME = 'history_cursor';
const CALL_MS = 20_000;

/** @param cursor of the mailbox of the credentials; null: none yet */
export async function checkCursor({ gmail, ...config }: Config, cursor: string | null): Promise<CheckResult> {
  if (gmail === null) return skip(NAME, 'not checked: it needs the credentials');
  if (cursor === null) return skip(NAME, 'none yet: the first run sets it');
  const client = createGmailClient({
    access: { kind: 'refresh_token', credentials: gmail },
    rootUrl: config.gmailApiRootUrl,
    tokenUrl: config.oauthTokenUrl,
  });
  try {
    const page = await client.listHistory(
      // Not reserved: the quota budget leaves room for two units.
      { deadline: Deadline.after(CALL_MS), acquireUnits: async () => undefined },
      { startHistoryId: cursor, pageToken: null },
    );
    return ok(NAME, `Gmail has the history after ${cursor}; the newest id is ${page.historyId}`);
  } catch (error) {
    if (!(error instanceof AppError && error.code === 'history_expired')) return failure(NAME, error);
    return warn(
      NAME,
      `Gmail no longer has the history after ${cursor}; the next run lists the gap by date and fetches it`,
      'Call POST start or POST poll-now, then POST poll-now?reconcile=all. Find out why nothing ran for days.',
    );
  }
}
