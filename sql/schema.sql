-- Written by `npm run schema` from the migrations; do not edit.

create table email_attachments (
  id integer not null generated always as identity,
  email_id integer not null,
  part_path text not null,
  filename text not null,
  content_type text not null,
  detected_content_type text,
  content_id text,
  is_inline boolean not null default false,
  file_data bytea not null,
  file_size_bytes integer not null,
  sha256 text not null,
  created_at timestamp with time zone not null default now(),
  constraint email_attachments_email_id_part_path_key UNIQUE (email_id, part_path),
  constraint email_attachments_pkey PRIMARY KEY (id),
  constraint email_attachments_email_id_fkey FOREIGN KEY (email_id) REFERENCES incoming_emails(id) ON DELETE CASCADE,
  constraint email_attachments_check CHECK ((file_size_bytes = octet_length(file_data))),
  constraint email_attachments_sha256_check CHECK ((sha256 ~ '^[0-9a-f]{64}$'::text))
);
CREATE INDEX idx_email_attachments_email_id ON public.email_attachments USING btree (email_id);

create table email_ledger (
  id integer not null generated always as identity,
  mailbox_id integer not null,
  gmail_message_id text not null,
  state text not null default 'pending'::text,
  priority smallint not null default 0,
  source text not null,
  history_id numeric(20,0),
  check_labels boolean not null default false,
  ignored_rule text,
  attempt_count integer not null default 0,
  last_attempt_at timestamp with time zone,
  attempt_open boolean not null default false,
  next_attempt_at timestamp with time zone not null default now(),
  error_code text,
  error_detail text,
  discovered_at timestamp with time zone not null default now(),
  settled_at timestamp with time zone,
  constraint email_ledger_mailbox_id_gmail_message_id_key UNIQUE (mailbox_id, gmail_message_id),
  constraint email_ledger_pkey PRIMARY KEY (id),
  constraint email_ledger_mailbox_id_fkey FOREIGN KEY (mailbox_id) REFERENCES mailboxes(id),
  constraint email_ledger_check CHECK (((state = 'ignored'::text) = (ignored_rule IS NOT NULL))),
  constraint email_ledger_source_check CHECK ((source = ANY (ARRAY['history'::text, 'initial'::text, 'backfill'::text, 'gap'::text, 'proof'::text]))),
  constraint email_ledger_state_check CHECK ((state = ANY (ARRAY['pending'::text, 'stored'::text, 'gone'::text, 'ignored'::text, 'dead'::text])))
);
CREATE INDEX idx_email_ledger_dead ON public.email_ledger USING btree (mailbox_id) WHERE (state = 'dead'::text);
CREATE INDEX idx_email_ledger_pending ON public.email_ledger USING btree (mailbox_id, priority, last_attempt_at NULLS FIRST, id) WHERE (state = 'pending'::text);

create table email_monitor_status (
  id integer not null default 1,
  is_running boolean not null default false,
  last_poll_at timestamp with time zone,
  last_error text,
  last_error_code text,
  emails_processed_total integer not null default 0,
  updated_at timestamp with time zone not null default now(),
  constraint email_monitor_status_pkey PRIMARY KEY (id),
  constraint email_monitor_status_id_check CHECK ((id = 1))
);

create table email_raw (
  email_id integer not null,
  encoding text not null,
  data bytea not null,
  size_bytes integer not null,
  sha256 text not null,
  constraint email_raw_pkey PRIMARY KEY (email_id),
  constraint email_raw_email_id_fkey FOREIGN KEY (email_id) REFERENCES incoming_emails(id) ON DELETE CASCADE,
  constraint email_raw_encoding_check CHECK ((encoding = 'gzip'::text)),
  constraint email_raw_sha256_check CHECK ((sha256 ~ '^[0-9a-f]{64}$'::text))
);

create table incidents (
  id integer not null generated always as identity,
  mailbox_id integer not null,
  kind text not null,
  opened_at timestamp with time zone not null default now(),
  closed_at timestamp with time zone,
  detail jsonb not null default '{}'::jsonb,
  constraint incidents_pkey PRIMARY KEY (id),
  constraint incidents_mailbox_id_fkey FOREIGN KEY (mailbox_id) REFERENCES mailboxes(id)
);
CREATE INDEX idx_incidents_open ON public.incidents USING btree (mailbox_id) WHERE (closed_at IS NULL);

create table incoming_emails (
  id integer not null generated always as identity,
  mailbox_id integer not null,
  gmail_message_id text not null,
  gmail_thread_id text,
  label_ids text[] not null default '{}'::text[],
  rfc822_message_id text,
  sender text,
  sender_address text,
  recipients jsonb not null default '{}'::jsonb,
  subject text,
  body_text text,
  body_html text,
  received_at timestamp with time zone not null,
  sent_at timestamp with time zone,
  size_bytes integer not null,
  attachment_count integer not null,
  defects text[] not null default '{}'::text[],
  parser_version integer not null,
  processed boolean not null default false,
  created_at timestamp with time zone not null default now(),
  updated_at timestamp with time zone not null default now(),
  attachment_names text not null default ''::text,
  search_words tsvector generated always as (email_words((((((("left"(COALESCE(sender, ''::text), 1000) || ' '::text) || "left"(COALESCE(sender_address, ''::text), 1000)) || ' '::text) || "left"(COALESCE(subject, ''::text), 4000)) || ' '::text) || "left"(attachment_names, 20000)))) stored,
  constraint incoming_emails_pkey PRIMARY KEY (id),
  constraint incoming_emails_mailbox_id_fkey FOREIGN KEY (mailbox_id) REFERENCES mailboxes(id)
);
CREATE UNIQUE INDEX idx_incoming_emails_gmail_id ON public.incoming_emails USING btree (gmail_message_id, mailbox_id);
CREATE INDEX idx_incoming_emails_processed ON public.incoming_emails USING btree (id) WHERE (processed = false);
CREATE INDEX idx_incoming_emails_received_at ON public.incoming_emails USING btree (mailbox_id, received_at);
CREATE INDEX idx_incoming_emails_search ON public.incoming_emails USING gin (search_words) WITH (fastupdate='on', gin_pending_list_limit='512');

create table ingest_runs (
  id integer not null generated always as identity,
  mailbox_id integer,
  trigger text not null,
  outcome text,
  started_at timestamp with time zone not null default now(),
  finished_at timestamp with time zone,
  duration_ms integer,
  discovered_count integer not null default 0,
  stored_count integer not null default 0,
  gone_count integer not null default 0,
  ignored_count integer not null default 0,
  failed_count integer not null default 0,
  dead_count integer not null default 0,
  quota_units integer not null default 0,
  refused_count integer not null default 0,
  cursor_before numeric(20,0),
  cursor_after numeric(20,0),
  error_code text,
  arrival_to_stored_max_ms integer,
  constraint ingest_runs_pkey PRIMARY KEY (id),
  constraint ingest_runs_mailbox_id_fkey FOREIGN KEY (mailbox_id) REFERENCES mailboxes(id),
  constraint ingest_runs_trigger_check CHECK ((trigger = ANY (ARRAY['schedule'::text, 'push'::text, 'manual'::text])))
);
CREATE INDEX idx_ingest_runs_started_at ON public.ingest_runs USING btree (started_at);

create table ledger_changes (
  mailbox_id integer not null,
  state text not null,
  change integer not null
);

create table listings (
  id integer not null generated always as identity,
  mailbox_id integer not null,
  purpose text not null,
  query text not null,
  page_token text,
  listed_count integer not null default 0,
  new_count integer not null default 0,
  created_at timestamp with time zone not null default now(),
  not_before timestamp with time zone not null default now(),
  finished_at timestamp with time zone,
  restart_count integer not null default 0,
  error_code text,
  error_detail text,
  window_begins_at timestamp with time zone,
  unknown_ids text[] not null default '{}'::text[],
  judged_at timestamp with time zone,
  constraint listings_pkey PRIMARY KEY (id),
  constraint listings_mailbox_id_fkey FOREIGN KEY (mailbox_id) REFERENCES mailboxes(id),
  constraint listings_purpose_check CHECK ((purpose = ANY (ARRAY['initial'::text, 'backfill'::text, 'gap'::text, 'proof'::text])))
);
CREATE INDEX idx_listings_open ON public.listings USING btree (mailbox_id, id) WHERE (finished_at IS NULL);
CREATE INDEX idx_listings_unjudged ON public.listings USING btree (mailbox_id) WHERE ((purpose = 'proof'::text) AND (judged_at IS NULL));

create table mailboxes (
  id integer not null generated always as identity,
  email_address text not null,
  credential_fingerprint text,
  created_at timestamp with time zone not null default now(),
  cursor_history_id numeric(20,0) not null,
  settling_history_id numeric(20,0),
  settling_since timestamp with time zone,
  scan_history_id numeric(20,0),
  hint_history_id numeric(20,0),
  hint_at timestamp with time zone,
  lease_token uuid,
  lease_holder text,
  lease_expires_at timestamp with time zone,
  watch_topic text,
  watch_expires_at timestamp with time zone,
  quota_spent jsonb not null default '{}'::jsonb,
  failure_count integer not null default 0,
  next_poll_at timestamp with time zone,
  last_success_at timestamp with time zone,
  last_error_code text,
  last_error text,
  last_error_at timestamp with time zone,
  proved_at timestamp with time zone,
  proved_gmail_count integer,
  proved_missing_count integer,
  watch_error_code text,
  watch_error text,
  proved_ledger_count integer,
  proved_since timestamp with time zone,
  watch_next_attempt_at timestamp with time zone,
  whole_proved_at timestamp with time zone,
  whole_gmail_count integer,
  whole_missing_count integer,
  quota_owed double precision not null default 0,
  quota_owed_at timestamp with time zone not null default now(),
  quota_strict_until timestamp with time zone,
  constraint mailboxes_email_address_key UNIQUE (email_address),
  constraint mailboxes_pkey PRIMARY KEY (id)
);

CREATE OR REPLACE FUNCTION public.count_ledger()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
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
$function$;

CREATE OR REPLACE FUNCTION public.email_words(text)
 RETURNS tsvector
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE STRICT
RETURN strip(to_tsvector('simple'::regconfig, translate(lower(("left"(NORMALIZE($1, NFKC), 30000) COLLATE pg_c_utf8)), '!"#$%&''()*+,-./:;<=>?@[\]^_`{|}~'::text, repeat(' '::text, 32))));

CREATE TRIGGER count_added AFTER INSERT ON public.email_ledger REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION count_ledger();

CREATE TRIGGER count_emptied AFTER TRUNCATE ON public.email_ledger FOR EACH STATEMENT EXECUTE FUNCTION count_ledger();

CREATE TRIGGER count_moved AFTER UPDATE ON public.email_ledger FOR EACH ROW WHEN (((old.state IS DISTINCT FROM new.state) OR (old.mailbox_id IS DISTINCT FROM new.mailbox_id))) EXECUTE FUNCTION count_ledger();

CREATE TRIGGER count_removed AFTER DELETE ON public.email_ledger REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION count_ledger();
