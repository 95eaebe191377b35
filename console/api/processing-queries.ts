/** The queues of consumers for the console: dead emails, and the state of one email per consumer. */
import type { Queryable } from '../../shared/db/database.ts';
import { statement } from '../../shared/db/statement.ts';
import type { DeadEmail, EmailProcessing } from '../../shared/schemas/processing.ts';
import { MAX_ID, type PageRequest, type ResultPage } from './pagination.ts';

// A page has whole emails: each of them with one row per consumer.
// $1 email ids below bigint, $2 emails int
const DEAD = statement(
  `
with page as (
  select distinct dead.email_id
  from consumers c
  cross join lateral (
    select q.email_id
    from email_queue q
    where q.consumer = c.name
      and q.state = 'dead'
      and q.email_id < $1::bigint
    order by q.email_id desc
    limit $2::integer
  ) dead
  order by dead.email_id desc
  limit $2::integer
)
select q.consumer, e.id, e.sender, e.sender_address, e.subject, e.received_at,
       q.failure_count, q.due_at as failed_at, q.error, q.worker
from page p
cross join consumers c
join email_queue q on q.consumer = c.name and q.email_id = p.email_id and q.state = 'dead'
join incoming_emails e on e.id = q.email_id
order by e.id desc, q.consumer`,
  {
    consumer: 'text',
    id: 'integer',
    sender: 'text?',
    sender_address: 'text?',
    subject: 'text?',
    received_at: 'timestamp with time zone',
    failure_count: 'integer',
    failed_at: 'timestamp with time zone',
    error: 'text?',
    worker: 'text?',
  },
);

// $1 email id bigint
// One row per consumer.
const OF_EMAIL = statement(
  `
select c.name as consumer,
       case
         when q.email_id is not null then q.state
         when r.email_id is not null or (c.name = 'extraction' and e.processed) then 'completed'
         else 'not_queued'
       end as state,
       q.queued_at, q.due_at,
       case when q.email_id is null then r.worker else q.worker end as worker,
       coalesce(q.failure_count, 0) as failure_count, q.error, r.completed_at
from incoming_emails e
cross join consumers c
left join email_queue q on q.consumer = c.name and q.email_id = e.id
left join email_results r on r.consumer = c.name and r.email_id = e.id
where e.id = $1::bigint
order by c.name`,
  {
    consumer: 'text',
    state: 'text',
    queued_at: 'timestamp with time zone?',
    due_at: 'timestamp with time zone?',
    worker: 'text?',
    failure_count: 'integer',
    error: 'text?',
    completed_at: 'timestamp with time zone?',
  },
);

/** @returns at least `limit` rows when there are as many, those of the same email together */
export async function listDeadEmails(db: Queryable, request: PageRequest): Promise<ResultPage<DeadEmail>> {
  const { rows } = await db.query(DEAD, [request.beforeId ?? MAX_ID, request.limit + 1]);
  const ids = [...new Set(rows.map((row) => row.id))];
  const last = ids[request.limit - 1] ?? 0;
  return {
    rows: rows.filter((row) => row.id >= last),
    nextBeforeId: ids.length > request.limit ? last : null,
  };
}

/** @returns the state for each consumer, by name; none when there is no consumer or no such email */
export async function readProcessing(db: Queryable, emailId: number): Promise<EmailProcessing[]> {
  return (await db.query(OF_EMAIL, [emailId])).rows as EmailProcessing[];
}
