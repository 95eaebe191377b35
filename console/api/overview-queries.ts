/** The metrics of the overview that are not part of the status: freshness, quota, and open incidents. */
import type { Queryable } from '../../shared/db/database.ts';
import { statement } from '../../shared/db/statement.ts';
import type { Overview } from '../../shared/schemas/overview.ts';

export interface OverviewMetrics {
  readonly now: Date;
  readonly freshness: Overview['freshness'];
  /** Units that are reserved and not yet refilled. Null: the mailbox is not known yet. */
  readonly minute_used: number | null;
  /** Units since midnight UTC. */
  readonly today_used: number;
  readonly incidents_open_count: number;
}

// The current mailbox is the one of the credentials, or the only one without credentials.
// $1 fingerprint text or null, $2 units per minute int
// Always one row.
const METRICS = statement(
  `
with current_mailbox as (
  select id
  from mailboxes
  where credential_fingerprint = $1::text
     or ($1::text is null and (select count(*) from mailboxes) = 1)
)
select now() as now,
       (select newest.received_at
        from current_mailbox m
        cross join lateral (
          select e.received_at
          from incoming_emails e
          where e.mailbox_id = m.id
          order by e.received_at desc
          limit 1
        ) newest) as newest_stored_at,
       (select units_in_use(q, $2::integer)
        from current_mailbox m
        join mailbox_quota q on q.mailbox_id = m.id) as minute_used,
       (select coalesce(sum(quota_units), 0)
        from ingest_runs
        where started_at >= date_trunc('day', now(), 'UTC')) as today_used,
       (select count(*)
        from incidents
        where closed_at is null) as incidents_open_count`,
  {
    now: 'timestamp with time zone',
    newest_stored_at: 'timestamp with time zone?',
    minute_used: 'integer?',
    today_used: 'bigint',
    incidents_open_count: 'bigint',
  },
);

/** @param fingerprint of the configured credentials, which selects the mailbox; null without credentials */
export async function readOverviewMetrics(
  db: Queryable,
  fingerprint: string | null,
  unitsPerMinute: number,
): Promise<OverviewMetrics> {
  const { rows } = await db.query(METRICS, [fingerprint, unitsPerMinute]);
  const row = rows[0];
  return {
    now: row?.now ?? new Date(),
    freshness: {
      newest_stored_at: row?.newest_stored_at ?? null,
    },
    minute_used: row?.minute_used ?? null,
    today_used: row?.today_used ?? 0,
    incidents_open_count: row?.incidents_open_count ?? 0,
  };
}
