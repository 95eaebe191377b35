/** How far a backfill is, and what became of what it found. Read by `npm run backfill`, while any instance works on it. */
import type { Queryable } from './database.ts';
import { PRIORITY } from './ledger.ts';
import { unitsOfLastMinute } from './quota.ts';

export interface BackfillFigures {
  readonly isListed: boolean;
  /** Ids that Gmail gave so far, and those among them that the ledger did not have. */
  readonly listedCount: number;
  readonly newCount: number;
  /** Messages that listings found and nobody has fetched yet. */
  readonly pendingCount: number;
  /** Quota units of the mailbox in the last minute, those of live mail included. */
  readonly minuteUnits: number;
}

/** Cheap enough for once a second: it reads the listing, the mailbox and what is pending. */
export async function readFigures(
  db: Queryable,
  mailboxId: number,
  listingId: number,
): Promise<BackfillFigures> {
  const { rows } = await db.query<{
    is_listed: boolean;
    listed_count: number;
    new_count: number;
    pending_count: number;
    minute_units: number;
  }>(
    `select s.finished_at is not null as is_listed, s.listed_count, s.new_count,
            (
              select count(*)::integer
              from email_ledger
              where mailbox_id = $1::integer
                and state = 'pending'
                and priority = $3::smallint
            ) as pending_count,
            (
              select ${unitsOfLastMinute('m')}
              from mailboxes m
              where m.id = $1::integer
            ) as minute_units
     from listings s
     where s.id = $2::integer`,
    [mailboxId, listingId, PRIORITY.backlog],
  );
  const row = rows[0];
  return {
    isListed: row?.is_listed ?? false,
    listedCount: row?.listed_count ?? 0,
    newCount: row?.new_count ?? 0,
    pendingCount: row?.pending_count ?? 0,
    minuteUnits: row?.minute_units ?? 0,
  };
}

export interface BackfillOutcome {
  readonly storedCount: number;
  readonly goneCount: number;
  readonly deadCount: number;
  /** How many each rule left out. */
  readonly ignoredCounts: ReadonlyMap<string, number>;
}

/**
 * What became of it since this listing was planned; of backfills that run at the same time it is the sum of all. Reads
 * the whole ledger: once at the end.
 */
export async function readOutcome(
  db: Queryable,
  mailboxId: number,
  listingId: number,
): Promise<BackfillOutcome> {
  const { rows } = await db.query<{ state: string; ignored_rule: string | null; count: number }>(
    `select l.state, l.ignored_rule, count(*)::integer as count
     from email_ledger l
     join listings s on s.id = $2::integer
     where l.mailbox_id = $1::integer
       and l.source = 'backfill'
       and l.settled_at >= s.created_at
     group by l.state, l.ignored_rule
     order by count(*) desc, l.ignored_rule`,
    [mailboxId, listingId],
  );
  const countOf = (state: string) => rows.find((row) => row.state === state)?.count ?? 0;
  return {
    storedCount: countOf('stored'),
    goneCount: countOf('gone'),
    deadCount: countOf('dead'),
    ignoredCounts: new Map(
      rows.flatMap((row) => (row.ignored_rule === null ? [] : [[row.ignored_rule, row.count] as const])),
    ),
  };
}
