/** The work of each consumer, for `status`. Reads only, and at most 10,000 rows per count. */
import type { Queryable } from '../../db/database.ts';
import { statement } from '../../db/statement.ts';

/** Where the counts of `consumer_backlogs` stop. */
const COUNTED_ROWS = 10_000;
const SHOWN_DEAD_EMAILS = 5;
const MAX_ERROR_CHARACTERS = 500;

// One row per consumer, by name. dead_emails: {email_id, error, failed_at} of those that were stored last.
// $1 dead emails int, $2 characters of an error int
const READ = statement(
  `
select b.consumer as name, b.waiting_count, b.claimed_count, b.dead_count, b.oldest_queued_at, b.is_adding_older,
       coalesce(d.dead_emails, '[]') as dead_emails
from consumer_backlogs() b
cross join lateral (
  select jsonb_agg(
           jsonb_build_object('email_id', q.email_id, 'error', left(q.error, $2::integer), 'failed_at', q.due_at)
           order by q.email_id desc
         ) as dead_emails
  from (
    select *
    from email_queue
    where consumer = b.consumer
      and state = 'dead'
    order by email_id desc
    limit $1::integer
  ) q
) d
order by b.consumer`,
  {
    name: 'text',
    waiting_count: 'integer',
    claimed_count: 'integer',
    dead_count: 'integer',
    oldest_queued_at: 'timestamp with time zone?',
    is_adding_older: 'boolean',
    dead_emails: 'jsonb',
  },
);

type ConsumerRow = NonNullable<(typeof READ)['row']>;

export interface ConsumerBacklog extends Omit<ConsumerRow, 'dead_emails'> {
  /** The counts that stopped at 10,000. */
  readonly capped_counts: (typeof COUNTS)[number][];
  readonly dead_emails: {
    readonly email_id: number;
    readonly error: string | null;
    readonly failed_at: Date;
  }[];
}

const COUNTS = ['waiting_count', 'claimed_count', 'dead_count'] as const;

/** Returns every consumer by name; none before the first consumer exists. */
export async function readConsumers(db: Queryable): Promise<ConsumerBacklog[]> {
  const { rows } = await db.query(READ, [SHOWN_DEAD_EMAILS, MAX_ERROR_CHARACTERS]);
  return rows.map((row) => ({
    ...row,
    capped_counts: COUNTS.filter((name) => row[name] >= COUNTED_ROWS),
    dead_emails: (row.dead_emails as { email_id: number; error: string | null; failed_at: string }[]).map(
      (dead) => ({ ...dead, failed_at: new Date(dead.failed_at) }),
    ),
  }));
}
