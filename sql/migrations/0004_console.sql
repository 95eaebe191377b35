-- What the console needs: latency of a run, search over the emails, the newest email at once, and a ledger that counts
-- itself. Adding search_words writes incoming_emails anew (its bodies and files stay where they are): a table of a
-- million emails is locked for about a minute.

-- First, as a store has it: whoever stores a mail has its row of the ledger before its email, and the two would wait for
-- each other. And until the end: what enters the ledger between its counting and its triggers would never be counted.
lock table email_ledger in share row exclusive mode;

alter table ingest_runs
  -- The longest way of a live mail from Gmail's acceptance to its commit; null when the run stored none.
  add column arrival_to_stored_max_ms integer;

-- The words of a text, for search. Punctuation parts words and says nothing: the parser would otherwise keep addresses,
-- file names and numbers with a sign whole, and `4711` would not find `order-4711.pdf`. Letters are made small by a
-- collation that does not hang on the database's own, which may know ASCII alone: PostgreSQL's from version 17 on, one
-- letter for one; before, that of ICU or of the system, as the server has it. Wide and composed letters become plain ones
-- before, where the encoding is UTF-8. Cut, because a tsvector holds a megabyte at most, and no subject may keep a mail from being stored.
do $do$
begin
  execute format(
    $sql$
    create function email_words(text) returns tsvector
    language sql immutable parallel safe strict
    return strip(to_tsvector(
      'simple'::regconfig,
      translate(
        lower(left(%s, 30000) collate %I),
        '!"#$%%&''()*+,-./:;<=>?@[\]^_`{|}~', repeat(' ', 32))))
    $sql$,
    case getdatabaseencoding() when 'UTF8' then 'normalize($1, nfkc)' else '$1' end,
    (
      select collname
      from pg_collation
      where collnamespace = 'pg_catalog'::regnamespace
        and (collname = 'default' or getdatabaseencoding() = 'UTF8')
        and collname = any (array['pg_c_utf8', 'und-x-icu', 'C.utf8', 'default'])
      order by array_position(array['pg_c_utf8', 'und-x-icu', 'C.utf8', 'default'], collname::text)
      limit 1
    ));
end
$do$;

alter table incoming_emails
  -- One name a line, as email_attachments has them: a generated column sees its own row alone.
  add column attachment_names text not null default '';

update incoming_emails e
set attachment_names = a.names
from (
  select email_id, string_agg(filename, E'\n' order by id) as names
  from email_attachments
  group by email_id
) a
where a.email_id = e.id;

alter table incoming_emails
  -- Each with a share of what is kept of all.
  add column search_words tsvector generated always as (email_words(
    left(coalesce(sender, ''), 1000) || ' ' || left(coalesce(sender_address, ''), 1000) || ' '
    || left(coalesce(subject, ''), 4000) || ' ' || left(attachment_names, 20000))) stored;

-- Words and index cost a store 0.1 to 0.2 ms, and 90 bytes an email beside its row. New words wait in a list, which every
-- search reads whole: it is kept to half a megabyte.
create index idx_incoming_emails_search on incoming_emails using gin (search_words)
  with (fastupdate = on, gin_pending_list_limit = 512);

create index idx_incoming_emails_received_at on incoming_emails (mailbox_id, received_at);

-- How many rows of the ledger are in each state: the sum of the changes. Rows are only added, so that nobody waits for
-- anybody; the runs add them up. Written by triggers, so that the sums hold whoever writes: an older version of the
-- code, or a person.
create table ledger_changes (
  -- No reference: checking it would lock the mailbox's row in every store.
  mailbox_id integer not null,
  state text not null,
  change integer not null
);

insert into ledger_changes (mailbox_id, state, change)
select mailbox_id, state, count(*)
from email_ledger
group by mailbox_id, state;

-- As the owner of the tables: who may write the ledger need not be able to write its counts.
create function count_ledger() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
  case tg_op
    when 'INSERT' then
      insert into ledger_changes (mailbox_id, state, change)
      select mailbox_id, state, count(*)
      from added
      group by mailbox_id, state;
    when 'UPDATE' then
      insert into ledger_changes (mailbox_id, state, change)
      values (old.mailbox_id, old.state, -1), (new.mailbox_id, new.state, 1);
    when 'DELETE' then
      insert into ledger_changes (mailbox_id, state, change)
      select mailbox_id, state, -count(*)
      from removed
      group by mailbox_id, state;
    when 'TRUNCATE' then
      -- Not by delete: it would not see the sums of somebody who adds up.
      truncate ledger_changes;
  end case;
  return null;
end
$$;

create trigger count_added after insert on email_ledger
  referencing new table as added for each statement execute function count_ledger();
-- For the changed rows alone: most updates are attempts, which change no state.
create trigger count_moved after update on email_ledger
  for each row when ((old.state, old.mailbox_id) is distinct from (new.state, new.mailbox_id))
  execute function count_ledger();
create trigger count_removed after delete on email_ledger
  referencing old table as removed for each statement execute function count_ledger();
create trigger count_emptied after truncate on email_ledger
  for each statement execute function count_ledger();
