/**
 * The statements of the search of stored emails. They share the parameters $1 to $9, and return positions in the list, the last
 * received first.
 */
import { statement } from '../../shared/db/statement.ts';

/** Further words are ignored: they hardly change the result. A word of Japanese has one for each of its letters. */
const MAX_WORDS = 32;

// Splits the text into words as the words of an email are split, each as a prefix. email_words leaves no quote and no
// backslash, so nothing needs escaping. `pattern` is null when the text has no word: it matches every email.
const PARSED_QUERY = `
parsed_query as materialized (
  select string_agg('''' || word || ''':*', ' & ')::tsquery as pattern
  from (
    select word
    from unnest(tsvector_to_array(email_words($1::text))) word
    limit ${MAX_WORDS}
  ) words
)`;

// $2 before, microseconds bigint, $3 before, id bigint, $4 from timestamptz; each may be null
function isInRange(receivedAt: string, id: string): string {
  return `(${receivedAt}, ${id}) < (coalesce('epoch'::timestamptz + $2::bigint * interval '1 microsecond', 'infinity'), $3::bigint)
    and ${receivedAt} >= coalesce($4::timestamptz, '-infinity')`;
}

const IS_IN_MAILBOX = 'e.mailbox_id = (select m.id from mailboxes m where m.email_address = $6::text)';

// $5 has filters bool, $6 mailbox text, $7 processed bool, $8 with attachments bool, $9 with defects bool
function passesFilters(id: string): string {
  return `(not $5::boolean or exists (
    select
    from incoming_emails e
    where e.id = ${id}
      and ($6::text is null or ${IS_IN_MAILBOX})
      and ($7::boolean is null or e.processed = $7::boolean)
      and (not $8::boolean or e.attachment_count > 0)
      and (not $9::boolean or e.defects <> '{}')))`;
}

/**
 * What a scan reads in the order of its index: all emails, or those of the filter that is expected to leave the fewest. The
 * other filters are applied to each email.
 */
const SOURCES = {
  all: null,
  unprocessed: 'not e.processed',
  defects: "e.defects <> '{}'",
  mailbox: IS_IN_MAILBOX,
} as const;
export type Source = keyof typeof SOURCES;

// Parameters as above, $10 emails to scan int, $11 rows int
// Always one row. lowest is null when the page is full, or no emails are left.
function scanStatement(source: Source) {
  const condition = SOURCES[source];
  const read =
    condition === null
      ? `select s.received_at, s.email_id as id, s.search_words
    from email_search s
    where ${isInRange('s.received_at', 's.email_id')}
    order by s.received_at desc, s.email_id desc`
      : `select e.received_at, e.id
    from incoming_emails e
    where ${condition}
      and ${isInRange('e.received_at', 'e.id')}
    order by e.received_at desc, e.id desc`;
  const words =
    condition === null
      ? 'd.search_words @@ (select pattern from parsed_query)'
      : `(
      select s.search_words @@ (select pattern from parsed_query)
      from email_search s
      where s.email_id = d.id)`;
  return statement(
    `
with ${PARSED_QUERY},
scanned as materialized (
  select d.received_at, d.id,
    ((select pattern from parsed_query) is null or ${words})
    and ${passesFilters('d.id')} as is_match
  from (
    ${read}
    limit $10::integer
  ) d
),
matches as materialized (
  select received_at, id
  from scanned
  where is_match
  order by received_at desc, id desc
  limit $11::integer
)
select (select pattern::text from parsed_query) as pattern,
       array(select email_cursor(received_at, id) from matches) as found,
       case when (select count(*) from matches) < $11::integer
              and (select count(*) from scanned) = $10::integer
            then (select email_cursor(received_at, id) from scanned order by received_at, id limit 1) end as lowest`,
    { pattern: 'text?', found: 'text[]', lowest: 'text?' },
  );
}

export const SCANS = {
  all: scanStatement('all'),
  unprocessed: scanStatement('unprocessed'),
  defects: scanStatement('defects'),
  mailbox: scanStatement('mailbox'),
};

// The ids are looked up first: the planner would also read every email of the range from its index.
// Parameters as above, $1 Gmail message id text, $10 Message-ID without brackets text or null, $11 rows int
export const BY_ID = statement(
  `
with named as materialized (
  select e.received_at, e.id
  from incoming_emails e
  where e.gmail_message_id = $1::text
     or hashtextextended(e.rfc822_message_id, 0)
          in (hashtextextended($10::text, 0), hashtextextended('<' || $10::text || '>', 0))
       and e.rfc822_message_id in ($10::text, '<' || $10::text || '>')
)
select email_cursor(d.received_at, d.id) as found
from named d
where ${isInRange('d.received_at', 'd.id')}
  and ${passesFilters('d.id')}
order by d.received_at desc, d.id desc
limit $11::integer`,
  { found: 'text' },
);

/** Of the newest emails, as a sample of all. */
const SAMPLED_EMAILS = 200;
/** In more of the sampled emails, a word is frequent. */
const MAX_SAMPLED_MATCHES = 20;

// $1 prefixes text[], as in a tsquery
// One row per prefix that is not frequent.
export const RARE_WORDS = statement(
  `
with newest as materialized (
  select search_words
  from email_search
  order by received_at desc, email_id desc
  limit ${SAMPLED_EMAILS}
)
select word
from unnest($1::text[]) word
where (
  select count(*)
  from newest
  where search_words @@ word::tsquery) <= ${MAX_SAMPLED_MATCHES}`,
  { word: 'text' },
);

// Collects the matches first and sorts them afterwards. Without `materialized` the planner may scan the whole table in order
// for a word that it expects in many emails and that no email has. For a very frequent word the planner scans the table until
// there are too many matches, instead of reading the index to its end. No `exists` compares the other words: the planner may
// turn it into a search of the index for all of them.
// Parameters as above, $1 pattern text, $10 matches int, $11 rows int, $12 pattern of all words text, null when $1 has them
// No row: the index has more than $10 matches.
export const INDEX_QUERY = `
with matches as materialized (
  select received_at, email_id as id
  from email_search
  where search_words @@ $1::tsquery
),
limited as materialized (
  select received_at, id
  from matches
  limit $10::integer + 1
)
select array(
  select email_cursor(d.received_at, d.id)
  from limited d
  where ${isInRange('d.received_at', 'd.id')}
    and ${passesFilters('d.id')}
    and ($12::text is null or (
      select s.search_words @@ $12::tsquery
      from email_search s
      where s.email_id = d.id))
  order by d.received_at desc, d.id desc
  limit $11::integer) as found
where (select count(*) from limited) <= $10::integer`;
