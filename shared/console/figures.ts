/** The figures of the overview that stand beside the status: how fresh, how much of the quota, what is open. */
import type { Queryable } from '../db/database.ts';

/** As it is answered. */
export interface Figures {
  readonly now: Date;
  readonly freshness: {
    readonly newest_proven_at: Date | null;
    readonly newest_stored_at: Date | null;
  };
  /** Units that were reserved and have not refilled. */
  readonly minute_used: number;
  readonly today_used: number;
  readonly incidents_open_count: number;
}

// What a proof that found something missing covers is not proven: the next one will say so. A proof covers what Gmail
// had accepted when it was planned, by whichever clock.
// $1 fingerprint text or null, $2 units per minute. One row always.
const FIGURES = `
select now() as now,
       (select max(newest.received_at)
        from mailboxes m
        cross join lateral (
          select e.received_at
          from incoming_emails e
          where e.mailbox_id = m.id
            and e.received_at <= m.proved_at
          order by e.received_at desc
          limit 1
        ) newest
        where m.proved_missing_count = 0) as newest_proven_at,
       (select max(newest.received_at)
        from mailboxes m
        cross join lateral (
          select e.received_at
          from incoming_emails e
          where e.mailbox_id = m.id
          order by e.received_at desc
          limit 1
        ) newest) as newest_stored_at,
       (select coalesce(sum(units_in_use(q, $2::integer)), 0)::integer
        from mailbox_quota q
        join mailboxes m on m.id = q.mailbox_id
        where m.credential_fingerprint = $1::text) as minute_used,
       (select coalesce(sum(quota_units), 0)::integer
        from ingest_runs
        where started_at >= date_trunc('day', now(), 'UTC')) as today_used,
       (select count(*)::integer
        from incidents
        where closed_at is null) as incidents_open_count`;

interface FiguresRow {
  now: Date;
  newest_proven_at: Date | null;
  newest_stored_at: Date | null;
  minute_used: number;
  today_used: number;
  incidents_open_count: number;
}

/** @param fingerprint of the credentials whose mailbox spends the quota; null without any */
export async function readFigures(
  db: Queryable,
  fingerprint: string | null,
  unitsPerMinute: number,
): Promise<Figures> {
  const { rows } = await db.query<FiguresRow>(FIGURES, [fingerprint, unitsPerMinute]);
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
