/** Backfills: list jobs for older mail that a Gmail query finds. `npm run backfill` plans them; any run continues them. */

import type { Queryable } from '../../shared/db/database.ts';
import { PRIORITY } from '../../shared/db/ledger.ts';
import { camelCase } from '../../shared/db/rows.ts';
import { statement } from '../../shared/db/statement.ts';
import { AppError } from '../../shared/errors.ts';

// $1 mailbox id, $2 query
// No row: another process planned the same query concurrently, and this snapshot does not see its row.
const PLAN = statement(
  `
with planned as (
  insert into list_jobs (mailbox_id, purpose, query)
  values ($1::integer, 'backfill', $2::text)
  on conflict (mailbox_id, md5(query)) where purpose = 'backfill' and finished_at is null do nothing
  returning id
)
select id, true as is_new
from planned
union all
select j.id, false
from list_jobs j
where j.mailbox_id = $1::integer
  and j.purpose = 'backfill'
  and j.query = $2::text
  and j.finished_at is null`,
  { id: 'integer', is_new: 'boolean' },
);

/** Plans a backfill, or finds the open one with the same query. May run twice. */
export async function planBackfill(
  db: Queryable,
  mailboxId: number,
  query: string,
): Promise<{ readonly id: number; readonly isNew: boolean }> {
  const find = async () => (await db.query(PLAN, [mailboxId, query])).rows[0];
  const row = (await find()) ?? (await find());
  if (row === undefined) throw new AppError('internal', 'The backfill could not be planned.');
  return camelCase(row);
}

export interface BackfillProgress {
  /** The listing has ended, or Gmail rejected it. */
  readonly isListed: boolean;
  /** Ids that Gmail has listed so far, and those among them that the ledger did not have. */
  readonly listedCount: number;
  readonly newCount: number;
  /** Why Gmail rejected the query; null when it did not. */
  readonly rejection: string | null;
  /** Backlog messages of the mailbox that can be fetched now, from any listing. */
  readonly dueCount: number;
  /** Backlog messages that wait for their next attempt after a failure. */
  readonly waitingCount: number;
}

// $1 job id, $2 priority of backlog
// No row: there is no such job.
const PROGRESS = statement(
  `
select j.finished_at is not null as is_listed, j.listed_count, j.new_count, j.error_detail as rejection,
       b.due_count, b.waiting_count
from list_jobs j
cross join lateral (
  select count(*) filter (where coalesce(l.next_attempt_at <= now(), true)) as due_count,
         count(*) filter (where l.next_attempt_at > now()) as waiting_count
  from email_ledger l
  where l.mailbox_id = j.mailbox_id
    and l.state = 'pending'
    and l.priority = $2::smallint
) b
where j.id = $1::integer`,
  {
    is_listed: 'boolean',
    listed_count: 'integer',
    new_count: 'integer',
    rejection: 'text?',
    due_count: 'bigint',
    waiting_count: 'bigint',
  },
);

/**
 * Returns the progress of a backfill. Cheap enough to call once per second: it reads the job and the pending messages.
 *
 * @throws {AppError} internal when there is no such job
 */
export async function readBackfillProgress(db: Queryable, jobId: number): Promise<BackfillProgress> {
  const { rows } = await db.query(PROGRESS, [jobId, PRIORITY.backlog]);
  const row = rows[0];
  if (row === undefined) throw new AppError('internal', `There is no list job ${jobId}.`);
  return camelCase(row);
}

export interface BackfillOutcome {
  readonly storedCount: number;
  readonly goneCount: number;
  /** All of the mailbox that are not given up: the ledger does not record which of them the query finds. */
  readonly deadCount: number;
  /** All of the mailbox that wait for their next attempt after a failure. */
  readonly failingCount: number;
  /** How many messages each rule excluded. */
  readonly ignoredCounts: ReadonlyMap<string, number>;
}

// $1 job id
// One row per state and rule.
const OUTCOME = statement(
  `
select l.state, l.ignored_rule, count(*) as count
from list_jobs j
join email_ledger l on l.mailbox_id = j.mailbox_id
where j.id = $1::integer
  and case l.state
    when 'dead' then l.given_up_at is null
    when 'pending' then l.next_attempt_at > now()
    else l.source = 'backfill' and l.resolved_at >= j.created_at
  end
group by l.state, l.ignored_rule
order by count(*) desc, l.ignored_rule`,
  { state: 'text', ignored_rule: 'text?', count: 'bigint' },
);

/**
 * Returns how many messages reached each final state since the backfill was planned, and how many still need an operator or a
 * retry. Concurrent backfills are counted together. Call it once, at the end: it reads the whole ledger of the mailbox.
 */
export async function readBackfillOutcome(db: Queryable, jobId: number): Promise<BackfillOutcome> {
  const { rows } = await db.query(OUTCOME, [jobId]);
  const countOf = (state: string) => rows.find((row) => row.state === state)?.count ?? 0;
  return {
    storedCount: countOf('stored'),
    goneCount: countOf('gone'),
    deadCount: countOf('dead'),
    failingCount: countOf('pending'),
    ignoredCounts: new Map(
      rows.flatMap((row) => (row.ignored_rule === null ? [] : [[row.ignored_rule, row.count] as const])),
    ),
  };
}
