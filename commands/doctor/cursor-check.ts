/** Checks that Gmail still has the history after the cursor. Reads one page of history.list, two quota units. */
import type { Config } from '../../shared/config.ts';
import { AppError } from '../../shared/errors.ts';
import type { MailboxAccess } from '../../shared/mailbox-access.ts';
import { type CheckResult, failure, ok, skip, warn } from './check-result.ts';
import { doctorCall, doctorClient } from './gmail-checks.ts';

const NAME = 'history_cursor';

/**
 * @param access null: none is configured
 * @param cursor of the mailbox of the access; null: none yet
 */
export async function checkCursor(
  config: Config,
  access: MailboxAccess | null,
  cursor: string | null,
): Promise<CheckResult> {
  if (access === null) return skip(NAME, 'not checked: it needs the credentials');
  if (cursor === null) return skip(NAME, 'none yet: the first run sets it');
  try {
    const page = await doctorClient(config, access).listHistory(doctorCall(), {
      startHistoryId: cursor,
      pageToken: null,
    });
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
