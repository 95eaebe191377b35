/** How much of this minute's quota is used, and did Gmail refuse calls for it lately? */
import type { Config } from '../../shared/config.ts';
import type { Queryable } from '../../shared/db/database.ts';
import { unitsOfLastMinute } from '../../shared/db/quota.ts';
import { type Finding, ok, warn } from './finding.ts';

const NAME = 'quota';
const RECENT_MINUTES = 60;

// $1 minutes back int
const QUOTA = `
select (select coalesce(max(${unitsOfLastMinute('m')}), 0)::integer
        from mailboxes m) as minute_used,
       (select coalesce(sum(refused_count), 0)::integer
        from ingest_runs
        where started_at > now() - $1::integer * interval '1 minute') as refused_count,
       exists (
         select 1
         from mailboxes
         where quota_strict_until > now()
       ) as is_narrow`;

export async function checkQuota(db: Queryable, { quotaUnitsPerMinute: limit }: Config): Promise<Finding> {
  const { rows } = await db.query<{ minute_used: number; refused_count: number; is_narrow: boolean }>(QUOTA, [
    RECENT_MINUTES,
  ]);
  const row = rows[0];
  const [used, refused] = [row?.minute_used ?? 0, row?.refused_count ?? 0];
  const said = `${used} of ${limit} units used in this minute`;
  if (refused === 0) return ok(NAME, `${said}, none refused in the last hour`);
  return warn(
    NAME,
    `${said}, ${refused} ${refused === 1 ? 'call' : 'calls'} refused in the last hour`,
    (row?.is_narrow
      ? 'A few once a week are the price of learning how Gmail counts; if more are refused in the next hour: '
      : '') +
      'Lower GMAIL_QUOTA_UNITS_PER_MINUTE to what the quota page of the Gmail API in the Cloud console says, or see which other client reads this mailbox.',
  );
}
