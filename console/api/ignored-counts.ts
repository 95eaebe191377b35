/** Counts messages that were ignored lately, by the rule that excludes them. */
import type { Queryable } from '../../shared/db/database.ts';
import { statement } from '../../shared/db/statement.ts';
import { IGNORED_RULES } from './message-queries.ts';

const MAX_COUNT = 1_000;

// Looks at the newest $1 + 1 entries of each rule, whatever their time, because PostgreSQL collects all entries for a range.
// $1 highest count int
// At least one row; `rule` is null when nothing was ignored.
const IGNORED_COUNTS = statement(
  `
with recursive ${IGNORED_RULES},
week as (
  select now() - interval '7 days' as since
),
counts as (
  select r.rule, c.count
  from rules r
  cross join week w
  cross join lateral (
    select count(*)::integer as count
    from (
      select l.resolved_at
      from email_ledger l
      where l.state = 'ignored'
        and l.ignored_rule = r.rule
      order by l.resolved_at desc, l.id desc
      limit $1::integer + 1
    ) newest
    where newest.resolved_at > w.since
  ) c
  where c.count > 0
)
select w.since, c.rule, least(c.count, $1::integer) as count, c.count > $1::integer as is_capped
from week w
left join counts c on true
order by c.count desc, c.rule`,
  { since: 'timestamp with time zone', rule: 'text?', count: 'integer?', is_capped: 'boolean?' },
);

export interface IgnoredCounts {
  readonly since: Date;
  /** The most frequent rule first. A capped count is 1,000 and means more. */
  readonly ignored: { rule: string; count: number; is_capped: boolean }[];
}

/** Messages ignored in the last seven days, of all mailboxes. */
export async function countIgnored(db: Queryable): Promise<IgnoredCounts> {
  const { rows } = await db.query(IGNORED_COUNTS, [MAX_COUNT]);
  return {
    since: rows[0]?.since ?? new Date(0),
    ignored: rows.flatMap(({ count, is_capped, rule }) =>
      rule === null ? [] : [{ rule, count: count ?? 0, is_capped: is_capped ?? false }],
    ),
  };
}
