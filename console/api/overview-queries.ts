/** The metrics of the overview that are not part of the status: freshness, quota, and open incidents. */
import type { Queryable } from '../../shared/db/database.ts';
import { statement } from '../../shared/db/statement.ts';
import type { Overview } from '../../shared/schemas/overview.ts';

export interface OverviewMetrics {
  readonly now: Date;
  readonly freshness: Overview['freshness'];
  /** Units that are reserved and not yet refilled. Null: the mailbox is not known yet. */
  readonly minute_used: number | null;
  /** Units since midnight UTC; null when too many runs would have to be read. */
  readonly today_used: number | null;
  /** Dead messages of all mailboxes that are not given up. */
  readonly dead_count: number;
  readonly incidents_open_count: number;
}

// The selected mailboxes are the one of the parameter, or the monitored ones, or the only one without credentials.
// $1 fingerprint text or null, $2 units per minute int, $3 address text or null, $4 runs int
// Always one row. today_used is null when there were more runs today.
const METRICS = statement(
  `
with selected as (
  select m.id
  from mailboxes m
  left join mailbox_settings s on s.mailbox_id = m.id
  where case
    when $3::text is not null then m.email_address = $3::text
    else coalesce(m.credential_fingerprint = $1::text, false)
      or coalesce(s.access in ('refresh_token', 'delegation'), false)
      or ($1::text is null and (select count(*) from mailboxes) = 1)
  end
)
select now() as now,
       (select max(newest.received_at)
        from selected m
        cross join lateral (
          select e.received_at
          from incoming_emails e
          where e.mailbox_id = m.id
          order by e.received_at desc
          limit 1
        ) newest) as newest_stored_at,
       (select sum(units_in_use(q, $2::integer))
        from selected m
        join mailbox_quota q on q.mailbox_id = m.id) as minute_used,
       (select case when count(*) <= $4::integer then coalesce(sum(quota_units), 0) end
        from (
          select quota_units
          from ingest_runs
          where started_at >= date_trunc('day', now(), 'UTC')
          limit $4::integer + 1
        ) today) as today_used,
       (select count(*)
        from email_ledger
        where state = 'dead'
          and given_up_at is null) as dead_count,
       (select count(*)
        from incidents
        where closed_at is null) as incidents_open_count`,
  {
    now: 'timestamp with time zone',
    newest_stored_at: 'timestamp with time zone?',
    minute_used: 'bigint?',
    today_used: 'bigint?',
    dead_count: 'bigint',
    incidents_open_count: 'bigint',
  },
);

/** More than one mailbox has in a day: Gmail pushes at most once per second. */
const MAX_RUNS = 100_000;

/**
 * @param fingerprint of the configured credentials; null without credentials
 * @param address of the only mailbox to read; null: of all monitored ones
 */
export async function readOverviewMetrics(
  db: Queryable,
  fingerprint: string | null,
  unitsPerMinute: number,
  address: string | null,
): Promise<OverviewMetrics> {
  const { rows } = await db.query(METRICS, [fingerprint, unitsPerMinute, address, MAX_RUNS]);
  const row = rows[0];
  return {
    now: row?.now ?? new Date(),
    freshness: {
      newest_stored_at: row?.newest_stored_at ?? null,
    },
    minute_used: row?.minute_used ?? null,
    today_used: row?.today_used ?? null,
    dead_count: row?.dead_count ?? 0,
    incidents_open_count: row?.incidents_open_count ?? 0,
  };
}
