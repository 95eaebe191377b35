/** The figures of the overview beside the status: the newest emails, the quota used, the open incidents. */
import type { Queryable } from '../db/database.ts';
import { unitsOfLastMinute } from '../db/quota.ts';
import { statement } from '../db/statement.ts';

/** The JSON answer is made of it. */
export interface Figures {
  readonly now: Date;
  readonly freshness: {
    readonly newest_proven_at: Date | null;
    readonly newest_stored_at: Date | null;
  };
  readonly minute_used: number;
  readonly today_used: number;
  readonly incidents_open_count: number;
}

// A reconciliation covers the emails that Gmail had accepted when it started. It covers none when it found one missing: the
// next one will tell.
// $1 fingerprint text or null
// Always one row.
const FIGURES = statement(
  `
select now() as now,
       (select max(newest.received_at)
        from mailboxes m
        cross join lateral (
          select r.started_at, r.missing_count
          from reconciliations r
          where r.mailbox_id = m.id
            and r.evaluated_at is not null
            and r.missing_count is not null
          order by r.evaluated_at desc
          limit 1
        ) latest
        cross join lateral (
          select e.received_at
          from incoming_emails e
          where e.mailbox_id = m.id
            and e.received_at <= latest.started_at
          order by e.received_at desc
          limit 1
        ) newest
        where latest.missing_count = 0) as newest_proven_at,
       (select max(newest.received_at)
        from mailboxes m
        cross join lateral (
          select e.received_at
          from incoming_emails e
          where e.mailbox_id = m.id
          order by e.received_at desc
          limit 1
        ) newest) as newest_stored_at,
       (select coalesce(sum(${unitsOfLastMinute('m')}), 0)::integer
        from mailboxes m
        where m.credential_fingerprint = $1::text) as minute_used,
       (select coalesce(sum(quota_units), 0)::integer
        from ingest_runs
        where started_at >= date_trunc('day', now(), 'UTC')) as today_used,
       (select count(*)::integer
        from incidents
        where closed_at is null) as incidents_open_count`,
  {
    now: 'timestamp with time zone',
    newest_proven_at: 'timestamp with time zone?',
    newest_stored_at: 'timestamp with time zone?',
    minute_used: 'integer',
    today_used: 'integer',
    incidents_open_count: 'integer',
  },
);

/** @param fingerprint of the credentials whose mailbox spends the quota; null without credentials */
export async function readFigures(db: Queryable, fingerprint: string | null): Promise<Figures> {
  const { rows } = await db.query(FIGURES, [fingerprint]);
  const row = rows[0];
  return {
    now: row?.now ?? new Date(),
    freshness: {
      newest_proven_at: row?.newest_proven_at ?? null,
      newest_stored_at: row?.newest_stored_at ?? null,
    },
    minute_used: row?.minute_used ?? 0,
    today_used: row?.today_used ?? 0,
    incidents_open_count: row?.incidents_open_count ?? 0,
  };
}
