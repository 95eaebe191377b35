/** Listings that Gmail has refused: those that wait to be asked again, and those that ended so lately. */
import type { Queryable } from './database.ts';

export interface RefusedListing {
  readonly id: number;
  readonly purpose: string;
  readonly query: string;
  readonly detail: string;
  /** False: the system needs it, and asks again by itself. */
  readonly isFinished: boolean;
}

const RECENT_DAYS = 7;

export async function findRefusedListings(db: Queryable): Promise<RefusedListing[]> {
  const { rows } = await db.query<{
    id: number;
    purpose: string;
    query: string;
    error_detail: string;
    is_finished: boolean;
  }>(
    `select l.id, l.purpose, l.query, coalesce(l.error_detail, l.error_code) as error_detail,
            l.finished_at is not null as is_finished
     from list_jobs l
     where l.error_code is not null
       and coalesce(l.finished_at > now() - $1::integer * interval '1 day', true)
       -- Superseded by a job with the same query that succeeded.
       and not exists (
         select 1
         from list_jobs again
         where again.mailbox_id = l.mailbox_id
           and again.query = l.query
           and again.id > l.id
           and again.error_code is null
       )
     order by l.id`,
    [RECENT_DAYS],
  );
  return rows.map((row) => ({
    id: row.id,
    purpose: row.purpose,
    query: row.query,
    detail: row.error_detail,
    isFinished: row.is_finished,
  }));
}
