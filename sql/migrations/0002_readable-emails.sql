-- Adds the readable text of an email, its delivery addresses, and columns that distinguish an order from a bounce, a list
-- message or an automatic reply. Rows of an older parser keep the defaults until `npm run reprocess`.

-- The whole message as text: text parts, converted HTML and attached messages, in order. Null: the email has no text.
alter table incoming_emails add column plain_text text;
-- Delivered-To and X-Original-To, in order, each once.
alter table incoming_emails add column delivered_to text[] not null default '{}';
-- The unchanged In-Reply-To header: the Message-ID of the answered email.
alter table incoming_emails add column in_reply_to text;
alter table incoming_emails add column list_id text;
-- Why the email counts as automatic: the keyword of Auto-Submitted, `report`, or `empty-return-path`. Null: none applies.
alter table incoming_emails add column auto_submitted text;

-- The part_path of the attachment that contains this one: an attached message, signed data, a winmail.dat. Checked at the end of
-- the transaction, because a reprocessed email replaces its rows one by one.
alter table email_attachments add column parent_part_path text;
alter table email_attachments add constraint email_attachments_parent
  foreign key (email_id, parent_part_path) references email_attachments (email_id, part_path)
  deferrable initially deferred;

-- The words of a text. The length limit increases, because an email's words now include its text and its recipients. A
-- tsvector holds one megabyte, far more than the words of 64,000 characters need.
do $do$
begin
  execute format(
    $sql$
    create or replace function email_words(text) returns tsvector
    language sql immutable parallel safe strict
    return strip(to_tsvector(
      'simple'::regconfig,
      translate(
        lower(left(%s, 64000) collate %I),
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

-- The words that the search matches. attachment_names: one name per line. The function with four parameters remains for
-- instances that still run the code before this migration.
create function email_search_words(
  sender text, sender_address text, subject text, attachment_names text, recipients jsonb, plain_text text)
returns tsvector
language sql immutable parallel safe
return email_words(
  left(coalesce(sender, ''), 1000) || ' ' || left(coalesce(sender_address, ''), 1000) || ' '
  || left(coalesce(subject, ''), 4000) || ' ' || left(coalesce(attachment_names, ''), 20000) || ' '
  || left(coalesce(
       jsonb_path_query_array(recipients, '$.*[*].*')::text, ''), 4000) || ' '
  || left(coalesce(plain_text, ''), 30000));
