-- Search ignores accents and finds words of scripts without spaces. The list is in the order of received_at, and has filters.

-- The limit of the migrate service is 900 seconds. Two statements take most of the time: the update and the index.
set local statement_timeout = '14min';

-- The words of a text, for the index and for the query alike. A search compares them as prefixes. With an encoding other than
-- UTF-8, the function stays as it was.
--
-- Letters lose their accents, and a sharp s becomes ss. A run of letters in a script without spaces becomes its overlapping pairs
-- and its last letter: the run ABC becomes AB, BC and C. So a text with the run XABCD has AB, BC, and a word that begins with C.
--
-- The text is truncated, before and after a normalization that may lengthen it: a tsvector holds at most a megabyte, and no subject
-- may prevent an email from being stored.
do $do$
begin
  if getdatabaseencoding() <> 'UTF8' then
    return;
  end if;
  execute format(
    $sql$
    create or replace function email_words(text) returns tsvector
    language plpgsql immutable parallel safe strict
    as $function$
    declare
      punctuation constant text := '\u0021-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u007e';
      -- Combining accents, and characters without a width.
      ignored constant text := '[\u00ad\u0300-\u036f\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufe00-\ufe0f\ufeff]+';
      separators constant text :=
        '\u00a0-\u00bf\u00d7\u00f7\u2000-\u206f\u20a0-\u20cf\u2190-\u2bff\u2e00-\u2e7f\u3000-\u3004\u3008-\u3020\u3030\u303d\u30a0\u30fb\ufe30-\ufe6f';
      -- Thai, Lao, Myanmar, Khmer, Japanese, Bopomofo, Chinese, Korean.
      unspaced constant text :=
        '\u0e01-\u0e3a\u0e40-\u0e4e\u0e80-\u0ecd\u0edc-\u0edf\u1000-\u103f\u1050-\u108f\u1780-\u17d3\u3005-\u3007\u3041-\u309f\u30a1-\u30fa\u30fc-\u30ff\u3105-\u312f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\U00020000-\U0003ffff';
      words text := left($1, 64000);
    begin
      -- Only ASCII, as most emails: the rest would change nothing.
      if octet_length(words) = length(words) then
        return strip(to_tsvector(
          'simple'::regconfig,
          regexp_replace(lower(words collate %1$I), '[' || punctuation || ']+', ' ', 'g')));
      end if;
      words := regexp_replace(normalize(words, nfkd), ignored, '', 'g');
      words := regexp_replace(left(normalize(words, nfc), 64000), '[' || punctuation || separators || ']+', ' ', 'g');
      -- Letters that no normalization decomposes: o, l, d and h with a stroke, eth, dotless i, final sigma; sharp s, ae, oe, thorn.
      words := translate(
        lower(words collate %1$I), u&'\00f8\0142\0111\00f0\0127\0167\0131\03c2', u&'olddhti\03c3');
      words := replace(replace(words, u&'\00df', 'ss'), u&'\00e6', 'ae');
      words := replace(replace(words, u&'\0153', 'oe'), u&'\00fe', 'th');
      if words ~ ('[' || unspaced || ']') then
        -- The pairs that begin at the first, third, fifth letter of each run, and those that begin at the second, fourth, sixth.
        -- One of them ends with the last letter alone.
        words :=
          regexp_replace(words, '[' || unspaced || ']{1,2}', ' \& ', 'g') || ' '
          || regexp_replace(
               regexp_replace(' ' || words, '[^' || unspaced || ']+[' || unspaced || ']?', ' ', 'g'),
               '[' || unspaced || ']{1,2}', '\& ', 'g');
      end if;
      return strip(to_tsvector('simple'::regconfig, words));
    end
    $function$
    $sql$,
    (
      select collname
      from pg_collation
      where collnamespace = 'pg_catalog'::regnamespace
        and collname = any (array['pg_c_utf8', 'und-x-icu', 'C.utf8', 'default'])
      order by array_position(array['pg_c_utf8', 'und-x-icu', 'C.utf8', 'default'], collname::text)
      limit 1
    ));
end
$do$;

-- The words that the search matches. attachment_names: one name per line; delivered_to: separated by spaces. The functions with
-- fewer parameters remain for instances that still run the code before this migration.
create function email_search_words(
  sender text, sender_address text, subject text, attachment_names text, recipients jsonb, plain_text text,
  delivered_to text)
returns tsvector
language sql immutable parallel safe
return email_words(
  left(coalesce(sender, ''), 1000) || ' ' || left(coalesce(sender_address, ''), 1000) || ' '
  || left(coalesce(subject, ''), 4000) || ' ' || left(coalesce(attachment_names, ''), 20000) || ' '
  || left(coalesce(
       jsonb_path_query_array(recipients, '$.*[*].*')::text, ''), 4000) || ' '
  || left(coalesce(delivered_to, ''), 2000) || ' '
  || left(coalesce(plain_text, ''), 30000));

-- Copies of the columns of incoming_emails, which never change. The search sorts its matches by them, and the list reads its order from
-- an index that a change of incoming_emails.processed does not rewrite. mailbox_id is not a foreign key: checking it would lock the
-- mailbox row in every store.
alter table email_search
  add column received_at timestamptz,
  add column mailbox_id integer;

-- Filling an empty index from the table is faster than changing every row of a full one.
drop index idx_email_search_words;

insert into email_search (email_id, search_words)
select e.id, ''
from incoming_emails e
where not exists (select from email_search s where s.email_id = e.id);

-- The words of an email, made of those that it has, because splitting its text takes milliseconds.
create function fold_words(search_words tsvector, delivered_to text[]) returns tsvector
language sql immutable
as $$
  select ts_delete(search_words, to_fold) || email_words(array_to_string(to_fold || delivered_to, ' '))
  from (
    select array(
      select word
      from unnest(tsvector_to_array(search_words)) word
      where octet_length(word) <> length(word)) as to_fold
  ) f
$$;

-- Words of ASCII letters are the same as before. Words of Latin, Greek and Cyrillic letters are folded one by one. Any other
-- character in a word, such as a soft hyphen or a letter of Japanese, has the text split again. Delivery addresses were not searched
-- before.
update email_search s
set received_at = e.received_at,
    mailbox_id = e.mailbox_id,
    search_words = case
      when s.search_words <> '' and octet_length(s.search_words::text) = length(s.search_words::text)
        then s.search_words || email_words(array_to_string(e.delivered_to, ' '))
      when s.search_words <> ''
        and s.search_words::text !~ '[^\u0001-\u007f\u00c0-\u024f\u0370-\u052f]'
        then fold_words(s.search_words, e.delivered_to)
      else email_search_words(
        e.sender, e.sender_address, e.subject,
        (select string_agg(a.filename, e'\n' order by a.id) from email_attachments a where a.email_id = e.id),
        e.recipients, e.plain_text, array_to_string(e.delivered_to, ' '))
    end
from incoming_emails e
where e.id = s.email_id;

drop function fold_words(tsvector, text[]);

alter table email_search
  alter column received_at set not null,
  alter column mailbox_id set not null;

-- Every search reads the whole pending list of the index, so the list is limited to half a megabyte.
create index idx_email_search_words on email_search using gin (search_words)
  with (fastupdate = on, gin_pending_list_limit = 512);
create index idx_email_search_received_at on email_search (received_at, email_id);

-- For rows of an instance that still runs the code before this migration.
create function set_received_at() returns trigger
language plpgsql
as $$
begin
  select e.received_at, e.mailbox_id
  into new.received_at, new.mailbox_id
  from incoming_emails e
  where e.id = new.email_id;
  return new;
end
$$;

-- A trigger fires without this privilege.
revoke execute on function set_received_at() from public;

create trigger email_search_received_at
before insert on email_search
for each row
when (new.received_at is null or new.mailbox_id is null)
execute function set_received_at();

-- A position in the list of emails, for pagination: microseconds since 1970 and the id.
create function email_cursor(received_at timestamptz, id integer) returns text
language sql immutable parallel safe
return (extract(epoch from received_at) * 1000000)::bigint::text || '.' || id::text;

-- For the filters of the list: few emails are unprocessed, and few have defects.
create index idx_incoming_emails_unprocessed on incoming_emails (received_at, id) where not processed;
create index idx_incoming_emails_defects on incoming_emails (received_at, id) where defects <> '{}';
