/** Checks how much of the quota is in use, and whether Gmail has rate-limited calls recently. */
import type { Config } from '../../shared/config.ts';
import type { Queryable } from '../../shared/db/database.ts';
import { statement } from '../../shared/db/statement.ts';
import { type CheckResult, ok, warn } from './check-result.ts';

const NAME = 'quota';
const RECENT_MINUTES = 60;

// $1 minutes back int, $2 units per minute int, $3 mailbox id int, null for all. One row always.
const QUOTA = statement(
  `
select (select max(units_in_use(q, $2::integer))
        from mailbox_quota q
        where $3::integer is null or q.mailbox_id = $3::integer) as used_units,
       (select coalesce(sum(rate_limited_count), 0)
        from ingest_runs
        where started_at > now() - $1::integer * interval '1 minute'
          and ($3::integer is null or mailbox_id = $3::integer)) as rate_limited_count`,
  { used_units: 'integer?', rate_limited_count: 'bigint' },
);

/** @param mailboxId null: of all mailboxes */
export async function checkQuota(
  db: Queryable,
  { quotaUnitsPerMinute: limit }: Config,
  mailboxId: number | null = null,
): Promise<CheckResult> {
  const { rows } = await db.query(QUOTA, [RECENT_MINUTES, limit, mailboxId]);
  const used = rows[0]?.used_units ?? null;
  const limited = rows[0]?.rate_limited_count ?? 0;
  const text = used === null ? `${limit} units per minute` : `${used} of ${limit} units per minute are used`;
  if (limited === 0) return ok(NAME, `${text}, no call was rate-limited in the last hour`);
  return warn(
    NAME,
    `${text}, ${limited} ${limited === 1 ? 'call was' : 'calls were'} rate-limited in the last hour`,
    'Lower GMAIL_QUOTA_UNITS_PER_MINUTE to the value on the quota page of the Gmail API in the Cloud console, or find the other client that reads this mailbox.',
  );
}
