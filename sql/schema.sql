-- Written by `npm run schema` from the migrations; do not edit.

create table bucket_objects (
  id bigint not null generated always as identity,
  name text not null,
  reserved_at timestamp with time zone not null default now(),
  added_at timestamp with time zone not null default now(),
  constraint bucket_objects_pkey PRIMARY KEY (id)
);
CREATE INDEX idx_bucket_objects_name ON public.bucket_objects USING btree (name);
CREATE INDEX idx_bucket_objects_reserved_at ON public.bucket_objects USING btree (reserved_at);

create table consumer_accounts (
  account text not null,
  consumer text not null,
  constraint consumer_accounts_pkey PRIMARY KEY (account, consumer)
);

create table consumers (
  name text not null,
  created_at timestamp with time zone not null default now(),
  created_in xid8 not null default pg_current_xact_id(),
  is_adding_older boolean not null default true,
  added_to_id integer not null default 0,
  add_to_id integer,
  constraint consumers_pkey PRIMARY KEY (name),
  constraint consumers_name_check CHECK ((name ~ '^[a-z][a-z0-9_-]{0,62}$'::text))
);

create table email_accesses (
  id bigint not null generated always as identity,
  accessed_at timestamp with time zone not null default now(),
  account text not null,
  email_id integer not null,
  action text not null,
  attachment_id integer,
  constraint email_accesses_pkey PRIMARY KEY (id),
  constraint email_accesses_action_check CHECK ((action = ANY (ARRAY['open'::text, 'html'::text, 'raw'::text, 'attachment'::text, 'preview'::text, 'files'::text, 'reprocess'::text])))
);
CREATE INDEX idx_email_accesses_email_id ON public.email_accesses USING btree (email_id);

create table email_attachments (
  id integer not null generated always as identity,
  email_id integer not null,
  part_path text not null,
  filename text not null,
  content_type text not null,
  detected_content_type text,
  content_id text,
  is_inline boolean not null default false,
  file_data bytea,
  file_size_bytes integer not null,
  sha256 text not null,
  created_at timestamp with time zone not null default now(),
  parent_part_path text,
  bucket_object text,
  constraint email_attachments_email_id_part_path_key UNIQUE (email_id, part_path),
  constraint email_attachments_pkey PRIMARY KEY (id),
  constraint email_attachments_email_id_fkey FOREIGN KEY (email_id) REFERENCES incoming_emails(id) ON DELETE CASCADE,
  constraint email_attachments_parent FOREIGN KEY (email_id, parent_part_path) REFERENCES email_attachments(email_id, part_path) DEFERRABLE INITIALLY DEFERRED,
  constraint email_attachments_bytes_check CHECK ((num_nonnulls(file_data, bucket_object) = 1)),
  constraint email_attachments_check CHECK ((file_size_bytes = octet_length(file_data))),
  constraint email_attachments_sha256_check CHECK ((sha256 ~ '^[0-9a-f]{64}$'::text))
);
CREATE INDEX idx_email_attachments_bucket_object ON public.email_attachments USING btree (bucket_object) WHERE (bucket_object IS NOT NULL);
CREATE INDEX idx_email_attachments_email_id ON public.email_attachments USING btree (email_id);

create table email_ledger (
  id bigint not null generated always as identity,
  mailbox_id integer not null,
  gmail_message_id text not null,
  state text not null default 'pending'::text,
  priority smallint not null default 0,
  source text not null,
  history_id numeric(20,0),
  labels_unknown boolean not null default false,
  listed_label_id text,
  ignored_rule text,
  attempt_count integer not null default 0,
  last_attempt_at timestamp with time zone,
  next_attempt_at timestamp with time zone default now(),
  claim_token uuid,
  is_crash_suspect boolean not null default false,
  crash_count integer not null default 0,
  error_code text,
  error_detail text,
  discovered_at timestamp with time zone not null default now(),
  resolved_at timestamp with time zone,
  given_up_at timestamp with time zone,
  erased_at timestamp with time zone,
  erased_sha256 text,
  constraint email_ledger_mailbox_id_gmail_message_id_key UNIQUE (mailbox_id, gmail_message_id),
  constraint email_ledger_pkey PRIMARY KEY (id),
  constraint email_ledger_mailbox_id_fkey FOREIGN KEY (mailbox_id) REFERENCES mailboxes(id),
  constraint email_ledger_check CHECK (((state = 'ignored'::text) = (ignored_rule IS NOT NULL))),
  constraint email_ledger_erased_sha256_check CHECK ((erased_sha256 ~ '^[0-9a-f]{64}$'::text)),
  constraint email_ledger_source_check CHECK ((source = ANY (ARRAY['history'::text, 'newest'::text, 'initial'::text, 'backfill'::text, 'gap'::text, 'reconciliation'::text]))),
  constraint email_ledger_state_check CHECK ((state = ANY (ARRAY['pending'::text, 'stored'::text, 'gone'::text, 'ignored'::text, 'dead'::text])))
);
CREATE INDEX idx_email_ledger_claimed ON public.email_ledger USING btree (mailbox_id) WHERE ((claim_token IS NOT NULL) OR is_crash_suspect);
CREATE INDEX idx_email_ledger_dead ON public.email_ledger USING btree (mailbox_id) WHERE (state = 'dead'::text);
CREATE INDEX idx_email_ledger_failing ON public.email_ledger USING btree (mailbox_id) WHERE ((state = 'pending'::text) AND (error_code IS NOT NULL));
CREATE INDEX idx_email_ledger_gone ON public.email_ledger USING btree (resolved_at, id) WHERE (state = 'gone'::text);
CREATE INDEX idx_email_ledger_ignored ON public.email_ledger USING btree (ignored_rule, resolved_at, id) WHERE (state = 'ignored'::text);
CREATE INDEX idx_email_ledger_pending ON public.email_ledger USING btree (mailbox_id, priority, discovered_at) WHERE (state = 'pending'::text);
CREATE INDEX idx_email_ledger_retry ON public.email_ledger USING btree (mailbox_id, next_attempt_at) WHERE ((state = ANY (ARRAY['pending'::text, 'dead'::text])) AND (last_attempt_at IS NOT NULL));
CREATE INDEX idx_email_ledger_untried ON public.email_ledger USING btree (mailbox_id, priority, id) WHERE ((state = 'pending'::text) AND (last_attempt_at IS NULL) AND (claim_token IS NULL) AND (NOT is_crash_suspect));

create table email_monitor_status (
  id integer not null default 1,
  is_running boolean not null default false,
  last_poll_at timestamp with time zone,
  last_error text,
  last_error_code text,
  emails_processed_total integer not null default 0,
  updated_at timestamp with time zone not null default now(),
  credential_fingerprint text,
  started_at timestamp with time zone,
  constraint email_monitor_status_pkey PRIMARY KEY (id),
  constraint email_monitor_status_id_check CHECK ((id = 1))
);

create table email_outbox (
  id bigint not null generated always as identity,
  mailbox_id integer not null,
  email_id integer not null,
  created_at timestamp with time zone not null default now(),
  constraint email_outbox_email_id_key UNIQUE (email_id),
  constraint email_outbox_pkey PRIMARY KEY (id),
  constraint email_outbox_email_id_fkey FOREIGN KEY (email_id) REFERENCES incoming_emails(id) ON DELETE CASCADE,
  constraint email_outbox_mailbox_id_fkey FOREIGN KEY (mailbox_id) REFERENCES mailboxes(id)
);
CREATE INDEX idx_email_outbox_mailbox ON public.email_outbox USING btree (mailbox_id, id);

create table email_queue (
  consumer text not null,
  email_id integer not null,
  state text not null default 'waiting'::text,
  queued_at timestamp with time zone not null default now(),
  due_at timestamp with time zone not null default now(),
  worker text,
  failure_count integer not null default 0,
  error text,
  constraint email_queue_pkey PRIMARY KEY (consumer, email_id),
  constraint email_queue_email_id_fkey FOREIGN KEY (email_id) REFERENCES incoming_emails(id) ON DELETE CASCADE,
  constraint email_queue_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'claimed'::text, 'dead'::text])))
);
CREATE INDEX idx_email_queue_age ON public.email_queue USING btree (consumer, queued_at) WHERE (state <> 'dead'::text);
CREATE INDEX idx_email_queue_claimed ON public.email_queue USING btree (consumer, due_at) WHERE (state = 'claimed'::text);
CREATE INDEX idx_email_queue_dead ON public.email_queue USING btree (consumer, email_id) WHERE (state = 'dead'::text);
CREATE INDEX idx_email_queue_email_id ON public.email_queue USING hash (email_id);
CREATE INDEX idx_email_queue_new ON public.email_queue USING btree (consumer, email_id) WHERE ((state = 'waiting'::text) AND (failure_count = 0));
CREATE INDEX idx_email_queue_retry ON public.email_queue USING btree (consumer, due_at) WHERE ((state = 'waiting'::text) AND (failure_count > 0));

create table email_raw (
  email_id integer not null,
  encoding text not null,
  data bytea,
  size_bytes integer not null,
  sha256 text not null,
  bucket_object text,
  bucket_bytes integer,
  constraint email_raw_pkey PRIMARY KEY (email_id),
  constraint email_raw_email_id_fkey FOREIGN KEY (email_id) REFERENCES incoming_emails(id) ON DELETE CASCADE,
  constraint email_raw_bytes_check CHECK (((num_nonnulls(data, bucket_object) = 1) AND (num_nonnulls(data, bucket_bytes) = 1))),
  constraint email_raw_encoding_check CHECK ((encoding = 'gzip'::text)),
  constraint email_raw_sha256_check CHECK ((sha256 ~ '^[0-9a-f]{64}$'::text))
);
CREATE INDEX idx_email_raw_bucket_object ON public.email_raw USING btree (bucket_object) WHERE (bucket_object IS NOT NULL);

create table email_results (
  email_id integer not null,
  consumer text not null,
  worker text not null,
  result jsonb,
  completed_at timestamp with time zone not null default clock_timestamp(),
  constraint email_results_pkey PRIMARY KEY (email_id, consumer),
  constraint email_results_email_id_fkey FOREIGN KEY (email_id) REFERENCES incoming_emails(id) ON DELETE CASCADE
);

create table email_search (
  email_id integer not null,
  search_words tsvector not null,
  received_at timestamp with time zone not null,
  mailbox_id integer not null,
  constraint email_search_pkey PRIMARY KEY (email_id),
  constraint email_search_email_id_fkey FOREIGN KEY (email_id) REFERENCES incoming_emails(id) ON DELETE CASCADE
);
CREATE INDEX idx_email_search_received_at ON public.email_search USING btree (received_at, email_id);
CREATE INDEX idx_email_search_words ON public.email_search USING gin (search_words) WITH (fastupdate='on', gin_pending_list_limit='512');

create table erasures (
  id bigint not null generated always as identity,
  started_at timestamp with time zone not null default now(),
  ended_at timestamp with time zone,
  account text not null default SESSION_USER,
  selected_by text not null,
  selector_hmac text,
  email_count integer not null default 0,
  attachment_count integer not null default 0,
  result_count integer not null default 0,
  byte_count bigint not null default 0,
  retention_days integer,
  constraint erasures_pkey PRIMARY KEY (id),
  constraint erasures_retention_days_check CHECK ((retention_days >= 1)),
  constraint erasures_selected_by_check CHECK ((selected_by = ANY (ARRAY['sender'::text, 'email'::text, 'mailbox'::text, 'retention'::text]))),
  constraint erasures_selector_check CHECK (
CASE selected_by
    WHEN 'retention'::text THEN (retention_days IS NOT NULL)
    ELSE (selector_hmac IS NOT NULL)
END),
  constraint erasures_selector_hmac_check CHECK ((selector_hmac ~ '^[0-9a-f]{64}$'::text))
);

create table incidents (
  id bigint not null generated always as identity,
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
  plain_text text,
  delivered_to text[] not null default '{}'::text[],
  in_reply_to text,
  list_id text,
  auto_submitted text,
  constraint incoming_emails_pkey PRIMARY KEY (id),
  constraint incoming_emails_mailbox_id_fkey FOREIGN KEY (mailbox_id) REFERENCES mailboxes(id)
);
CREATE INDEX idx_incoming_emails_defects ON public.incoming_emails USING btree (received_at, id) WHERE (defects <> '{}'::text[]);
CREATE UNIQUE INDEX idx_incoming_emails_gmail_id ON public.incoming_emails USING btree (gmail_message_id, mailbox_id);
CREATE INDEX idx_incoming_emails_message_id ON public.incoming_emails USING btree (hashtextextended(rfc822_message_id, (0)::bigint), id) WHERE (rfc822_message_id IS NOT NULL);
CREATE INDEX idx_incoming_emails_processed ON public.incoming_emails USING btree (id) WHERE (processed = false);
CREATE INDEX idx_incoming_emails_received_at ON public.incoming_emails USING btree (mailbox_id, received_at);
CREATE INDEX idx_incoming_emails_unprocessed ON public.incoming_emails USING btree (received_at, id) WHERE (NOT processed);

create table ingest_runs (
  id bigint not null generated always as identity,
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
  rate_limited_count integer not null default 0,
  arrival_to_stored_max_ms integer,
  cursor_before numeric(20,0),
  cursor_after numeric(20,0),
  error_code text,
  constraint ingest_runs_pkey PRIMARY KEY (id),
  constraint ingest_runs_mailbox_id_fkey FOREIGN KEY (mailbox_id) REFERENCES mailboxes(id),
  constraint ingest_runs_trigger_check CHECK ((trigger = ANY (ARRAY['schedule'::text, 'push'::text, 'manual'::text])))
);
CREATE INDEX idx_ingest_runs_started_at ON public.ingest_runs USING btree (started_at);
CREATE INDEX idx_ingest_runs_unended ON public.ingest_runs USING btree (mailbox_id, started_at) WHERE (outcome IS NULL);

create table ledger_changes (
  mailbox_id integer not null,
  state text not null,
  change integer not null
);
CREATE INDEX idx_ledger_changes_mailbox ON public.ledger_changes USING btree (mailbox_id);

create table list_jobs (
  id integer not null generated always as identity,
  mailbox_id integer not null,
  purpose text not null,
  query text not null,
  include_spam_trash boolean not null default false,
  page_token text,
  listed_count integer not null default 0,
  new_count integer not null default 0,
  restart_count integer not null default 0,
  error_code text,
  error_detail text,
  created_at timestamp with time zone not null default now(),
  not_before timestamp with time zone not null default now(),
  finished_at timestamp with time zone,
  label_id text,
  constraint list_jobs_pkey PRIMARY KEY (id),
  constraint list_jobs_mailbox_id_fkey FOREIGN KEY (mailbox_id) REFERENCES mailboxes(id),
  constraint list_jobs_purpose_check CHECK ((purpose = ANY (ARRAY['initial'::text, 'backfill'::text, 'gap'::text])))
);
CREATE INDEX idx_list_jobs_finished ON public.list_jobs USING btree (finished_at) WHERE (finished_at IS NOT NULL);
CREATE INDEX idx_list_jobs_open ON public.list_jobs USING btree (mailbox_id, id) WHERE (finished_at IS NULL);
CREATE UNIQUE INDEX idx_list_jobs_open_backfill ON public.list_jobs USING btree (mailbox_id, md5(query)) WHERE ((purpose = 'backfill'::text) AND (finished_at IS NULL));

create table mailbox_confirmations (
  email_address text not null,
  renamed_from text,
  confirmed_at timestamp with time zone not null default now(),
  applied_at timestamp with time zone,
  constraint mailbox_confirmations_pkey PRIMARY KEY (email_address)
);

create table mailbox_quota (
  mailbox_id integer not null,
  available_units double precision not null,
  refilled_at timestamp with time zone not null default clock_timestamp(),
  paused_until timestamp with time zone,
  pause_seconds integer not null default 0,
  constraint mailbox_quota_pkey PRIMARY KEY (mailbox_id),
  constraint mailbox_quota_mailbox_id_fkey FOREIGN KEY (mailbox_id) REFERENCES mailboxes(id) ON DELETE CASCADE
);

create table mailbox_settings (
  id integer not null generated always as identity,
  email_address text not null,
  mailbox_id integer,
  access text not null,
  secret_name text,
  label text,
  initial_query text,
  is_paused boolean not null default false,
  resumed_at timestamp with time zone,
  added_at timestamp with time zone not null default now(),
  failure_count integer not null default 0,
  next_attempt_at timestamp with time zone,
  last_error_code text,
  last_error text,
  constraint mailbox_settings_email_address_key UNIQUE (email_address),
  constraint mailbox_settings_mailbox_id_key UNIQUE (mailbox_id),
  constraint mailbox_settings_secret_name_key UNIQUE (secret_name),
  constraint mailbox_settings_pkey PRIMARY KEY (id),
  constraint mailbox_settings_mailbox_id_fkey FOREIGN KEY (mailbox_id) REFERENCES mailboxes(id),
  constraint mailbox_settings_access_check CHECK ((access = ANY (ARRAY['environment'::text, 'refresh_token'::text, 'delegation'::text]))),
  constraint mailbox_settings_check CHECK (((access = 'refresh_token'::text) = (secret_name IS NOT NULL))),
  constraint mailbox_settings_check1 CHECK (((access <> 'environment'::text) OR (mailbox_id IS NOT NULL))),
  constraint mailbox_settings_email_address_check CHECK ((email_address = lower(email_address)))
);

create table mailbox_watches (
  mailbox_id integer not null,
  topic text,
  registered_at timestamp with time zone,
  expires_at timestamp with time zone,
  credential_fingerprint text,
  next_attempt_at timestamp with time zone,
  error_code text,
  error text,
  late_run_count integer not null default 0,
  late_since timestamp with time zone,
  constraint mailbox_watches_pkey PRIMARY KEY (mailbox_id),
  constraint mailbox_watches_mailbox_id_fkey FOREIGN KEY (mailbox_id) REFERENCES mailboxes(id) ON DELETE CASCADE
);

create table mailboxes (
  id integer not null generated always as identity,
  email_address text not null,
  credential_fingerprint text,
  created_at timestamp with time zone not null default now(),
  cursor_history_id numeric(20,0) not null,
  unconfirmed_history_id numeric(20,0),
  unconfirmed_at timestamp with time zone,
  listed_history_id numeric(20,0),
  shown_history_id numeric(20,0),
  hint_history_id numeric(20,0),
  hint_at timestamp with time zone,
  pushed_at timestamp with time zone,
  lease_token uuid,
  lease_holder text,
  lease_expires_at timestamp with time zone,
  failure_count integer not null default 0,
  next_poll_at timestamp with time zone,
  last_run_at timestamp with time zone,
  last_run_ended_at timestamp with time zone,
  last_success_at timestamp with time zone,
  last_error_code text,
  last_error text,
  label_setting text,
  label_id text,
  label_reopened_to_id bigint,
  constraint mailboxes_credential_fingerprint_key UNIQUE (credential_fingerprint),
  constraint mailboxes_email_address_key UNIQUE (email_address),
  constraint mailboxes_pkey PRIMARY KEY (id)
);

create table reconciliation_ids (
  reconciliation_id bigint not null,
  gmail_message_id text not null,
  was_known boolean not null,
  constraint reconciliation_ids_pkey PRIMARY KEY (reconciliation_id, gmail_message_id),
  constraint reconciliation_ids_reconciliation_id_fkey FOREIGN KEY (reconciliation_id) REFERENCES reconciliations(id) ON DELETE CASCADE
);
CREATE INDEX idx_reconciliation_ids_unknown ON public.reconciliation_ids USING btree (reconciliation_id) WHERE (NOT was_known);

create table reconciliations (
  id bigint not null generated always as identity,
  mailbox_id integer not null,
  window_begins_at timestamp with time zone not null,
  is_full boolean not null,
  query text not null,
  page_token text,
  restart_count integer not null default 0,
  error_code text,
  error_detail text,
  started_at timestamp with time zone not null default now(),
  not_before timestamp with time zone not null default now(),
  listed_at timestamp with time zone,
  evaluated_at timestamp with time zone,
  evaluated_to text,
  gmail_count integer,
  stored_count integer,
  pending_count integer,
  failed_count integer,
  ignored_count integer,
  gone_count integer,
  missing_count integer,
  missing_ids text[] not null default '{}'::text[],
  label_id text,
  constraint reconciliations_pkey PRIMARY KEY (id),
  constraint reconciliations_mailbox_id_fkey FOREIGN KEY (mailbox_id) REFERENCES mailboxes(id)
);
CREATE INDEX idx_reconciliations_evaluated_at ON public.reconciliations USING btree (mailbox_id, evaluated_at) WHERE (evaluated_at IS NOT NULL);
CREATE UNIQUE INDEX idx_reconciliations_open ON public.reconciliations USING btree (mailbox_id) WHERE (evaluated_at IS NULL);
CREATE INDEX idx_reconciliations_started_at ON public.reconciliations USING btree (mailbox_id, started_at);

create table retention_blocks (
  email_id integer not null,
  blocked_at timestamp with time zone not null default now(),
  reason text not null,
  constraint retention_blocks_pkey PRIMARY KEY (email_id),
  constraint retention_blocks_email_id_fkey FOREIGN KEY (email_id) REFERENCES incoming_emails(id) ON DELETE CASCADE
);

create table retention_progress (
  id integer not null default 1,
  days integer,
  checked_to_id integer not null default 0,
  pass_began_at timestamp with time zone not null default now(),
  expired_to_id integer not null default 0,
  checked_at timestamp with time zone,
  constraint retention_progress_pkey PRIMARY KEY (id),
  constraint retention_progress_id_check CHECK ((id = 1))
);

CREATE OR REPLACE FUNCTION public.announce_bucket_object()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
  insert into bucket_objects (name, reserved_at)
  values (old.bucket_object, '-infinity');
  return null;
end
$function$;

CREATE OR REPLACE FUNCTION public.assert_is_lease(lease interval)
 RETURNS void
 LANGUAGE plpgsql
 IMMUTABLE
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
  if lease is null or lease <= interval '0' or lease > interval '1 day' then
    raise exception using
      errcode = 'QE005',
      message = 'The lease is invalid.',
      hint = 'Use more than zero and at most one day.';
  end if;
end
$function$;

CREATE OR REPLACE FUNCTION public.assert_is_read_committed()
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception using
      errcode = 'QE005',
      message = format('The queue cannot be used with the isolation level %s.', current_setting('transaction_isolation')),
      hint = 'Use the isolation level read committed.';
  end if;
end
$function$;

CREATE OR REPLACE FUNCTION public.assert_is_worker(worker text)
 RETURNS void
 LANGUAGE plpgsql
 IMMUTABLE
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
  if worker is null or btrim(worker) = '' or length(worker) > 200 then
    raise exception using
      errcode = 'QE005',
      message = 'The worker name is invalid.',
      hint = 'Use a name of at most 200 characters that is new for each start of the process.';
  end if;
end
$function$;

CREATE OR REPLACE FUNCTION public.assert_may_act_for(consumer text)
 RETURNS void
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
  if consumer is null or consumer !~ '^[a-z][a-z0-9_-]{0,62}$' then
    raise exception using
      errcode = 'QE005',
      message = 'The consumer name is invalid.',
      hint = 'Use a lower-case letter, then at most 62 lower-case letters, digits, hyphens or underscores.';
  end if;
  if exists (select from consumer_accounts a where a.account = session_user)
    and not exists (
      select
      from consumer_accounts a
      where a.account = session_user
        and a.consumer = assert_may_act_for.consumer
    )
  then
    raise exception using
      errcode = '42501',
      message = format('The account %s may not act for the consumer %s.', session_user, consumer),
      hint = 'Use the consumer name that the deployment gives to this account.';
  end if;
end
$function$;

CREATE OR REPLACE FUNCTION public.attachment_data(attachment_id integer)
 RETURNS bytea
 LANGUAGE plpgsql
 STABLE
AS $function$
declare
  bytes bytea;
  object_name text;
begin
  select a.file_data, a.bucket_object into bytes, object_name
  from email_attachments a
  where a.id = attachment_data.attachment_id;
  if not found then
    raise exception using
      errcode = 'QE004',
      message = format('No attachment has the id %s.', coalesce(attachment_id::text, 'null')),
      hint = 'Its email was erased, or `npm run reprocess` removed it.';
  end if;
  if object_name is not null then
    raise exception using
      errcode = 'QE007',
      message = format('The bytes of attachment %s are in the bucket, in the object %s.', attachment_id, object_name),
      hint = 'Call the function attachmentUrl with this id: it answers with a URL from which the bytes can be downloaded.';
  end if;
  return bytes;
end
$function$;

CREATE OR REPLACE FUNCTION public.await_stores()
 RETURNS boolean
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
 SET lock_timeout TO '100ms'
AS $function$
begin
  lock table queueing_lock in exclusive mode;
  raise exception 'The lock is released.';
exception
  when raise_exception then return true;
  when lock_not_available then return false;
end
$function$;

CREATE OR REPLACE FUNCTION public.begin_queueing()
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
  perform assert_is_read_committed();
  lock table queueing_lock in row share mode;
end
$function$;

CREATE OR REPLACE FUNCTION public.begin_queueing_processed()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
  perform begin_queueing();
  return null;
end
$function$;

CREATE OR REPLACE FUNCTION public.claim_emails(consumer text, worker text, max_count integer DEFAULT 1, lease interval DEFAULT '00:05:00'::interval)
 RETURNS SETOF emails_for_processing
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
#variable_conflict use_column
declare
  moment timestamptz;
  expired record;
  claimed_ids integer[];
begin
  perform assert_may_act_for(claim_emails.consumer);
  perform assert_is_worker(claim_emails.worker);
  perform assert_is_lease(claim_emails.lease);
  if max_count is null or max_count not between 1 and 1000 then
    raise exception using
      errcode = 'QE005',
      message = 'max_count is invalid.',
      hint = 'Use a number from 1 to 1000.';
  end if;
  perform assert_is_read_committed();
  -- A worker that forgets to commit must not keep the rows locked.
  if current_setting('idle_in_transaction_session_timeout') = '0' then
    perform set_config('idle_in_transaction_session_timeout', '60s', false);
  end if;
  perform prepare_consumer(claim_emails.consumer);

  loop
    moment := clock_timestamp();
    select q.email_id, q.failure_count + 1 as failure_count,
           format('The claim of the worker %s expired.', q.worker) as error
    into expired
    from email_queue q
    where q.consumer = claim_emails.consumer
      and q.state = 'claimed'
      and q.due_at <= moment
    order by q.due_at
    limit 1
    for update skip locked;
    exit when not found;
    -- A dead email keeps the name of its worker, which may still complete it.
    update email_queue q
    set state = 'dead',
        failure_count = expired.failure_count,
        error = expired.error
    where q.consumer = claim_emails.consumer
      and q.email_id = expired.email_id
      and state_after(expired.failure_count) = 'dead';
    continue when found;
    update email_queue q
    set worker = claim_emails.worker,
        due_at = clock_timestamp() + claim_emails.lease,
        failure_count = expired.failure_count,
        error = expired.error
    where q.consumer = claim_emails.consumer
      and q.email_id = expired.email_id;
    return query
      select v.*
      from emails_for_processing v
      where v.id = expired.email_id;
    return;
  end loop;

  claimed_ids := array(
    select q.email_id
    from email_queue q
    where q.consumer = claim_emails.consumer
      and q.state = 'waiting'
      and q.failure_count > 0
      and q.due_at <= moment
    order by q.due_at
    limit max_count
    for update skip locked
  );
  claimed_ids := claimed_ids || array(
    select q.email_id
    from email_queue q
    where q.consumer = claim_emails.consumer
      and q.state = 'waiting'
      and q.failure_count = 0
    order by q.email_id
    limit max_count - cardinality(claimed_ids)
    for update skip locked
  );
  update email_queue q
  set state = 'claimed',
      worker = claim_emails.worker,
      due_at = clock_timestamp() + claim_emails.lease
  where q.consumer = claim_emails.consumer
    and q.email_id = any (claimed_ids);
  return query
    select v.*
    from emails_for_processing v
    where v.id = any (claimed_ids)
    order by v.id;
end
$function$;

CREATE OR REPLACE FUNCTION public.complete_email(consumer text, worker text, email_id integer, result jsonb DEFAULT NULL::jsonb)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
#variable_conflict use_column
begin
  perform assert_may_act_for(complete_email.consumer);
  perform assert_is_worker(complete_email.worker);
  if octet_length(result::text) > 1048576 then
    raise exception using
      errcode = 'QE006',
      message = format('The result has %s bytes.', octet_length(result::text)),
      hint = 'At most 1 MiB is stored. Keep larger results in the schema of the consumer.';
  end if;
  -- First the email, then its row in the queue: an erasure and an update of `processed` lock them in this order too.
  if complete_email.consumer = 'extraction' then
    perform from incoming_emails e where e.id = complete_email.email_id for no key update;
  else
    perform from incoming_emails e where e.id = complete_email.email_id for key share;
  end if;
  delete from email_queue q
  where q.consumer = complete_email.consumer
    and q.email_id = complete_email.email_id
    and q.worker = complete_email.worker;
  if not found then
    perform raise_no_claim(complete_email.consumer, complete_email.worker, complete_email.email_id);
  end if;
  insert into email_results (email_id, consumer, worker, result)
  values (complete_email.email_id, complete_email.consumer, complete_email.worker, complete_email.result)
  on conflict (email_id, consumer) do update
  set worker = excluded.worker,
      result = excluded.result,
      completed_at = excluded.completed_at;
  -- The trigger of the queue does not set it once the consumer is removed.
  if complete_email.consumer = 'extraction' then
    update incoming_emails e
    set processed = true
    where e.id = complete_email.email_id
      and not e.processed;
  end if;
end
$function$;

CREATE OR REPLACE FUNCTION public.completed_emails(ids integer[])
 RETURNS SETOF integer
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 SELECT e.id
    FROM incoming_emails e
   WHERE ((e.id = ANY (completed_emails.ids)) AND (e.processed OR (EXISTS ( SELECT
            FROM consumers))) AND (NOT (EXISTS ( SELECT
            FROM email_queue q
           WHERE (q.email_id = e.id)))) AND (NOT (EXISTS ( SELECT
            FROM email_outbox o
           WHERE (o.email_id = e.id)))) AND (NOT (EXISTS ( SELECT
            FROM consumers c
           WHERE (c.is_adding_older AND (e.id > c.added_to_id) AND ((c.add_to_id IS NULL) OR (e.id <= c.add_to_id)) AND (NOT ((c.name = 'extraction'::text) AND e.processed)) AND (NOT (EXISTS ( SELECT
                    FROM email_results r
                   WHERE ((r.email_id = e.id) AND (r.consumer = c.name))))))))))
   ORDER BY e.id;
END;

CREATE OR REPLACE FUNCTION public.consumer_backlogs()
 RETURNS TABLE(consumer text, is_adding_older boolean, waiting_count integer, claimed_count integer, dead_count integer, oldest_queued_at timestamp with time zone)
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 SELECT c.name,
     c.is_adding_older,
     ( SELECT (count(*))::integer AS count
            FROM ( SELECT
                    FROM email_queue q
                   WHERE ((q.consumer = c.name) AND (q.state = 'waiting'::text))
                   ORDER BY q.queued_at
                  LIMIT 10000) counted) AS count,
     ( SELECT (count(*))::integer AS count
            FROM ( SELECT
                    FROM email_queue q
                   WHERE ((q.consumer = c.name) AND (q.state = 'claimed'::text))
                   ORDER BY q.due_at
                  LIMIT 10000) counted) AS count,
     ( SELECT (count(*))::integer AS count
            FROM ( SELECT
                    FROM email_queue q
                   WHERE ((q.consumer = c.name) AND (q.state = 'dead'::text))
                   ORDER BY q.email_id
                  LIMIT 10000) counted) AS count,
     ( SELECT q.queued_at
            FROM email_queue q
           WHERE ((q.consumer = c.name) AND (q.state <> 'dead'::text))
           ORDER BY q.queued_at
          LIMIT 1) AS queued_at
    FROM consumers c
   ORDER BY c.name;
END;

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
      -- Not by delete: it would not see the sums of a concurrent run that adds up.
      truncate ledger_changes;
  end case;
  return null;
end
$function$;

CREATE OR REPLACE FUNCTION public.email_cursor(received_at timestamp with time zone, id integer)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN (((((EXTRACT(epoch FROM received_at) * (1000000)::numeric))::bigint)::text || '.'::text) || (id)::text);

CREATE OR REPLACE FUNCTION public.email_search_words(sender text, sender_address text, subject text, attachment_names text)
 RETURNS tsvector
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN email_words((((((("left"(COALESCE(sender, ''::text), 1000) || ' '::text) || "left"(COALESCE(sender_address, ''::text), 1000)) || ' '::text) || "left"(COALESCE(subject, ''::text), 4000)) || ' '::text) || "left"(COALESCE(attachment_names, ''::text), 20000)));

CREATE OR REPLACE FUNCTION public.email_search_words(sender text, sender_address text, subject text, attachment_names text, recipients jsonb, plain_text text)
 RETURNS tsvector
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN email_words((((((((((("left"(COALESCE(sender, ''::text), 1000) || ' '::text) || "left"(COALESCE(sender_address, ''::text), 1000)) || ' '::text) || "left"(COALESCE(subject, ''::text), 4000)) || ' '::text) || "left"(COALESCE(attachment_names, ''::text), 20000)) || ' '::text) || "left"(COALESCE((jsonb_path_query_array(recipients, '$.*[*].*'::jsonpath))::text, ''::text), 4000)) || ' '::text) || "left"(COALESCE(plain_text, ''::text), 30000)));

CREATE OR REPLACE FUNCTION public.email_search_words(sender text, sender_address text, subject text, attachment_names text, recipients jsonb, plain_text text, delivered_to text)
 RETURNS tsvector
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN email_words((((((((((((("left"(COALESCE(sender, ''::text), 1000) || ' '::text) || "left"(COALESCE(sender_address, ''::text), 1000)) || ' '::text) || "left"(COALESCE(subject, ''::text), 4000)) || ' '::text) || "left"(COALESCE(attachment_names, ''::text), 20000)) || ' '::text) || "left"(COALESCE((jsonb_path_query_array(recipients, '$.*[*].*'::jsonpath))::text, ''::text), 4000)) || ' '::text) || "left"(COALESCE(delivered_to, ''::text), 2000)) || ' '::text) || "left"(COALESCE(plain_text, ''::text), 30000)));

CREATE OR REPLACE FUNCTION public.email_words(text)
 RETURNS tsvector
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE STRICT
AS $function$
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
          regexp_replace(lower(words collate pg_c_utf8), '[' || punctuation || ']+', ' ', 'g')));
      end if;
      words := regexp_replace(normalize(words, nfkd), ignored, '', 'g');
      words := regexp_replace(left(normalize(words, nfc), 64000), '[' || punctuation || separators || ']+', ' ', 'g');
      -- Letters that no normalization decomposes: o, l, d and h with a stroke, eth, dotless i, final sigma; sharp s, ae, oe, thorn.
      words := translate(
        lower(words collate pg_c_utf8), u&'\00f8\0142\0111\00f0\0127\0167\0131\03c2', u&'olddhti\03c3');
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
    $function$;

CREATE OR REPLACE FUNCTION public.erase_expired_emails(days integer, max_count integer)
 RETURNS integer
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET lock_timeout TO '100ms'
AS $function$
#variable_conflict use_column
declare
  ends_at constant timestamptz := clock_timestamp() + interval '1 second';
  cutoff timestamptz;
  progress retention_progress;
  stored_ids integer[];
  expired_ids integer[];
  completed_ids integer[];
  next_id integer;
  erased record;
  erased_emails integer := 0;
  erased_attachments integer := 0;
  erased_results integer := 0;
  erased_bytes bigint := 0;
  failed_count integer := 0;
  is_cut boolean := false;
  failed_constraint text;
  failed_schema text;
  failed_table text;
begin
  if days is null or days not between 1 and 36500 or max_count is null or max_count not between 1 and 1000 then
    raise exception using
      errcode = '22023',
      message = 'days or max_count is invalid.',
      hint = 'Use 1 to 36500 days and 1 to 1000 emails.';
  end if;
  -- The snapshot of another isolation level can be older than a lock.
  perform assert_is_read_committed();
  cutoff := now() - make_interval(days => erase_expired_emails.days);
  select p.* into progress
  from retention_progress p
  for update skip locked;
  if not found then return 0; end if;

  if progress.days is distinct from erase_expired_emails.days then
    progress.days := erase_expired_emails.days;
    progress.checked_to_id := 0;
    progress.expired_to_id := 0;
    progress.pass_began_at := now();
  elsif progress.pass_began_at < now() - interval '1 hour' and not coalesce((
    select e.created_at < cutoff
    from incoming_emails e
    where e.id > progress.checked_to_id
    order by e.id
    limit 1
  ), false) then
    progress.checked_to_id := 0;
    progress.pass_began_at := now();
  end if;

  with next_emails as materialized (
    select e.id, e.created_at, e.received_at
    from incoming_emails e
    where e.id > progress.checked_to_id
    order by e.id
    limit 1000
  )
  select array_agg(n.id order by n.id), array_agg(n.id) filter (where n.received_at < cutoff or n.received_at > now())
  into stored_ids, expired_ids
  from next_emails n
  where n.created_at < cutoff;
  completed_ids := array(select c from completed_emails(expired_ids) c order by c);
  delete from retention_blocks b
  where b.email_id = any (stored_ids)
    and b.email_id <> all (completed_ids);

  -- A deferred foreign key of a consumer would otherwise fail the commit, and with it all deletions.
  set constraints all immediate;
  foreach next_id in array completed_ids loop
    if erased_emails + failed_count >= max_count or failed_count >= 20 or clock_timestamp() >= ends_at then
      is_cut := true;
      exit;
    end if;
    progress.checked_to_id := next_id;
    -- Lock order: first the email, then its queue. Another transaction that has it locked completes it, queues it or parses it again.
    perform from incoming_emails e where e.id = next_id for update skip locked;
    continue when not found;
    -- The snapshot of this statement follows the lock. Who queues an email locks it first, so it stays completed.
    continue when not exists (select from completed_emails(array[next_id]));
    begin
      -- The cascade deletes attachments, raw bytes, search words and results.
      with counts as materialized (
        select (select count(*) from email_attachments a where a.email_id = next_id) as attachments,
               (select count(*) from email_results r where r.email_id = next_id) as results,
               (select coalesce(sum(a.file_size_bytes), 0) from email_attachments a where a.email_id = next_id)
                 + (select coalesce(sum(coalesce(octet_length(w.data), w.bucket_bytes)), 0) from email_raw w where w.email_id = next_id) as bytes
      ),
      kept as (
        update email_ledger l
        set erased_at = now(),
            erased_sha256 = (select w.sha256 from email_raw w where w.email_id = next_id),
            error_code = null,
            error_detail = null
        from incoming_emails e
        where e.id = next_id
          and l.mailbox_id = e.mailbox_id
          and l.gmail_message_id = e.gmail_message_id
      ),
      removed as (
        delete from incoming_emails e
        where e.id = next_id
      )
      select c.*
      into erased
      from counts c;
      erased_emails := erased_emails + 1;
      erased_attachments := erased_attachments + erased.attachments;
      erased_results := erased_results + erased.results;
      erased_bytes := erased_bytes + erased.bytes;
    exception
      -- A consumer has a row locked that refers to the email. The next pass tries again.
      when lock_not_available or deadlock_detected then
        failed_count := failed_count + 1;
      -- A foreign key or a trigger of a consumer. It blocks no other email.
      when others then
        failed_count := failed_count + 1;
        get stacked diagnostics
          failed_constraint = constraint_name,
          failed_schema = schema_name,
          failed_table = table_name;
        insert into retention_blocks (email_id, reason)
        values (
          next_id,
          case
            when failed_constraint <> '' then
              format('the constraint %s of the table %s.%s', failed_constraint, failed_schema, failed_table)
            else format('an error with the SQLSTATE %s', sqlstate)
          end)
        on conflict (email_id) do update
        set blocked_at = excluded.blocked_at,
            reason = excluded.reason;
    end;
  end loop;

  if not is_cut then
    progress.checked_to_id := coalesce(stored_ids[array_upper(stored_ids, 1)], progress.checked_to_id);
  end if;
  update retention_progress p
  set days = progress.days,
      checked_to_id = progress.checked_to_id,
      pass_began_at = progress.pass_began_at,
      expired_to_id = greatest(progress.expired_to_id, progress.checked_to_id),
      checked_at = clock_timestamp();
  if erased_emails = 0 then return 0; end if;

  update erasures r
  set ended_at = clock_timestamp(),
      email_count = r.email_count + erased_emails,
      attachment_count = r.attachment_count + erased_attachments,
      result_count = r.result_count + erased_results,
      byte_count = r.byte_count + erased_bytes
  where r.selected_by = 'retention'
    and r.retention_days = erase_expired_emails.days
    and r.started_at >= date_trunc('day', now(), 'UTC');
  if not found then
    insert into erasures (
      selected_by, retention_days, ended_at, email_count, attachment_count, result_count, byte_count)
    values (
      'retention', erase_expired_emails.days, clock_timestamp(), erased_emails, erased_attachments, erased_results, erased_bytes);
  end if;
  return erased_emails;
end
$function$;

CREATE OR REPLACE FUNCTION public.extend_claim(consumer text, worker text, email_id integer, lease interval DEFAULT '00:05:00'::interval)
 RETURNS timestamp with time zone
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
#variable_conflict use_column
declare
  expires_at timestamptz;
begin
  perform assert_may_act_for(extend_claim.consumer);
  perform assert_is_worker(extend_claim.worker);
  perform assert_is_lease(extend_claim.lease);
  update email_queue q
  set state = 'claimed',
      due_at = clock_timestamp() + extend_claim.lease
  where q.consumer = extend_claim.consumer
    and q.email_id = extend_claim.email_id
    and q.worker = extend_claim.worker
  returning q.due_at into expires_at;
  if not found then
    perform raise_no_claim(extend_claim.consumer, extend_claim.worker, extend_claim.email_id);
  end if;
  return expires_at;
end
$function$;

CREATE OR REPLACE FUNCTION public.fail_email(consumer text, worker text, email_id integer, error text, retry_in interval DEFAULT NULL::interval)
 RETURNS timestamp with time zone
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
#variable_conflict use_column
declare
  failed email_queue;
begin
  perform assert_may_act_for(fail_email.consumer);
  perform assert_is_worker(fail_email.worker);
  if retry_in < interval '0' or retry_in > interval '30 days' then
    raise exception using
      errcode = 'QE005',
      message = 'retry_in is invalid.',
      hint = 'Use zero to 30 days, or null.';
  end if;
  update email_queue q
  set state = state_after(q.failure_count + 1),
      failure_count = q.failure_count + 1,
      due_at = clock_timestamp() + case
        when state_after(q.failure_count + 1) = 'dead' then interval '0'
        else coalesce(retry_in, interval '1 minute' * power(5, least(q.failure_count, 3)))
      end,
      worker = null,
      error = left(coalesce(nullif(btrim(fail_email.error), ''), 'The worker gave no error.'), 4000)
  where q.consumer = fail_email.consumer
    and q.email_id = fail_email.email_id
    and q.worker = fail_email.worker
  returning q.* into failed;
  if not found then
    perform raise_no_claim(fail_email.consumer, fail_email.worker, fail_email.email_id);
  end if;
  return case failed.state when 'dead' then null else failed.due_at end;
end
$function$;

CREATE OR REPLACE FUNCTION public.has_due_list_job(mailbox_id integer)
 RETURNS boolean
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 SELECT (EXISTS ( SELECT 1
            FROM list_jobs j
           WHERE ((j.mailbox_id = has_due_list_job.mailbox_id) AND (j.finished_at IS NULL) AND (j.not_before <= now())))) AS "exists";
END;

CREATE OR REPLACE FUNCTION public.has_due_message(mailbox_id integer)
 RETURNS boolean
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 SELECT (COALESCE(( SELECT l.id
            FROM email_ledger l
           WHERE ((l.mailbox_id = has_due_message.mailbox_id) AND (l.priority = 0) AND (l.state = 'pending'::text) AND (l.last_attempt_at IS NULL) AND (l.claim_token IS NULL) AND (NOT l.is_crash_suspect))
           ORDER BY l.id
          LIMIT 1), ( SELECT l.id
            FROM email_ledger l
           WHERE ((l.mailbox_id = has_due_message.mailbox_id) AND (l.priority = 1) AND (l.state = 'pending'::text) AND (l.last_attempt_at IS NULL) AND (l.claim_token IS NULL) AND (NOT l.is_crash_suspect))
           ORDER BY l.id
          LIMIT 1), ( SELECT l.id
            FROM email_ledger l
           WHERE ((l.mailbox_id = has_due_message.mailbox_id) AND ((l.claim_token IS NOT NULL) OR l.is_crash_suspect) AND ((l.claim_token IS NOT NULL) OR (l.next_attempt_at <= now())))
          LIMIT 1), ( SELECT l.id
            FROM email_ledger l
           WHERE ((l.mailbox_id = has_due_message.mailbox_id) AND (l.state = ANY (ARRAY['pending'::text, 'dead'::text])) AND (l.last_attempt_at IS NOT NULL) AND (l.next_attempt_at <= now()) AND (l.given_up_at IS NULL))
           ORDER BY l.next_attempt_at
          LIMIT 1)) IS NOT NULL);
END;

CREATE OR REPLACE FUNCTION public.has_expired_emails(days integer)
 RETURNS boolean
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 SELECT (COALESCE(( SELECT (e.created_at < (now() - make_interval(days => has_expired_emails.days)))
            FROM incoming_emails e
           WHERE (e.id > COALESCE(( SELECT p.checked_to_id
                    FROM retention_progress p
                   WHERE (p.days = has_expired_emails.days)), 0))
           ORDER BY e.id
          LIMIT 1), false) OR ((EXISTS ( SELECT
            FROM retention_progress p
           WHERE (p.pass_began_at < (now() - '01:00:00'::interval)))) AND COALESCE(( SELECT (e.created_at < (now() - make_interval(days => has_expired_emails.days)))
            FROM incoming_emails e
           ORDER BY e.id
          LIMIT 1), false)));
END;

CREATE OR REPLACE FUNCTION public.has_many_ledger_changes()
 RETURNS boolean
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 SELECT (( SELECT count(*) AS count
            FROM ( SELECT 1 AS "?column?"
                    FROM ledger_changes
                  LIMIT 200) counted) >= 200);
END;

CREATE OR REPLACE FUNCTION public.has_many_ledger_changes(mailbox_id integer)
 RETURNS boolean
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 SELECT (( SELECT count(*) AS count
            FROM ( SELECT 1 AS "?column?"
                    FROM ledger_changes c
                   WHERE (c.mailbox_id = has_many_ledger_changes.mailbox_id)
                  LIMIT 50) counted) >= 50);
END;

CREATE OR REPLACE FUNCTION public.has_newer_hint(m mailboxes)
 RETURNS boolean
 LANGUAGE sql
 STABLE
RETURN (COALESCE(((m).hint_history_id > COALESCE((m).listed_history_id, (0)::numeric)), false) OR COALESCE((((m).hint_history_id > COALESCE((m).shown_history_id, (0)::numeric)) AND ((m).hint_at > (clock_timestamp() - '00:00:10'::interval))), false));

CREATE OR REPLACE FUNCTION public.has_old_bucket_objects()
 RETURNS boolean
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 SELECT COALESCE(( SELECT (o.reserved_at < (now() - '1 day'::interval))
            FROM bucket_objects o
           ORDER BY o.reserved_at
          LIMIT 1), false) AS "coalesce";
END;

CREATE OR REPLACE FUNCTION public.has_old_email_accesses()
 RETURNS boolean
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 SELECT COALESCE(( SELECT (a.accessed_at < (now() - '366 days'::interval))
            FROM email_accesses a
           ORDER BY a.id
          LIMIT 1), false) AS "coalesce";
END;

CREATE OR REPLACE FUNCTION public.has_old_records()
 RETURNS boolean
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 SELECT (COALESCE(( SELECT (r.evaluated_at < (now() - '91 days'::interval))
            FROM reconciliations r
           WHERE (r.evaluated_at IS NOT NULL)
           ORDER BY r.id
          LIMIT 1), false) OR (EXISTS ( SELECT 1
            FROM list_jobs j
           WHERE (j.finished_at < (now() - '91 days'::interval)))) OR COALESCE(( SELECT (i.closed_at < (now() - '366 days'::interval))
            FROM incidents i
           WHERE (i.closed_at IS NOT NULL)
           ORDER BY i.id
          LIMIT 1), false));
END;

CREATE OR REPLACE FUNCTION public.has_old_runs()
 RETURNS boolean
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 SELECT (EXISTS ( SELECT 1
            FROM ingest_runs
           WHERE (ingest_runs.started_at < (now() - '91 days'::interval)))) AS "exists";
END;

CREATE OR REPLACE FUNCTION public.has_open_reconciliation(mailbox_id integer)
 RETURNS boolean
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 SELECT (EXISTS ( SELECT 1
            FROM reconciliations r
           WHERE ((r.mailbox_id = has_open_reconciliation.mailbox_id) AND (r.evaluated_at IS NULL) AND (r.not_before <= now())))) AS "exists";
END;

CREATE OR REPLACE FUNCTION public.holds_lease(mailbox_id integer, token uuid)
 RETURNS boolean
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 SELECT (EXISTS ( SELECT 1
            FROM mailboxes m
           WHERE ((m.id = holds_lease.mailbox_id) AND (m.lease_token = holds_lease.token) AND (m.lease_expires_at > now())))) AS "exists";
END;

CREATE OR REPLACE FUNCTION public.is_backing_off(m mailboxes)
 RETURNS boolean
 LANGUAGE sql
 STABLE
RETURN COALESCE((((m).failure_count > 0) AND ((m).next_poll_at > now())), false);

CREATE OR REPLACE FUNCTION public.is_bucket_object_referenced(object_name text)
 RETURNS boolean
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 SELECT ((EXISTS ( SELECT
            FROM email_attachments a
           WHERE (a.bucket_object = is_bucket_object_referenced.object_name))) OR (EXISTS ( SELECT
            FROM email_raw r
           WHERE (r.bucket_object = is_bucket_object_referenced.object_name))));
END;

CREATE OR REPLACE FUNCTION public.is_poll_due(m mailboxes)
 RETURNS boolean
 LANGUAGE sql
 STABLE
RETURN CASE WHEN ((m).failure_count > 0) THEN COALESCE(((m).next_poll_at <= now()), true) ELSE (COALESCE(((m).next_poll_at <= now()), true) OR has_newer_hint(m) OR has_due_message((m).id) OR has_due_list_job((m).id)) END;

CREATE OR REPLACE FUNCTION public.is_push_silent(w mailbox_watches, m mailboxes)
 RETURNS boolean
 LANGUAGE sql
 STABLE
RETURN COALESCE((((w).topic IS NOT NULL) AND ((((w).registered_at < (now() - '00:02:00'::interval)) AND COALESCE(((m).pushed_at < (w).registered_at), true)) OR (((w).late_run_count >= 3) AND COALESCE(((m).pushed_at < (w).late_since), true)))), false);

CREATE OR REPLACE FUNCTION public.is_reconciliation_due(mailbox_id integer, every_seconds integer)
 RETURNS boolean
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 SELECT ((NOT (EXISTS ( SELECT 1
            FROM reconciliations r
           WHERE ((r.mailbox_id = is_reconciliation_due.mailbox_id) AND (r.evaluated_at IS NULL))))) AND (NOT (EXISTS ( SELECT 1
            FROM reconciliations r
           WHERE ((r.mailbox_id = is_reconciliation_due.mailbox_id) AND (r.started_at > (now() - ((is_reconciliation_due.every_seconds)::double precision * '00:00:01'::interval))))))) AND (NOT (EXISTS ( SELECT 1
            FROM list_jobs j
           WHERE ((j.mailbox_id = is_reconciliation_due.mailbox_id) AND (j.finished_at IS NULL) AND ((j.purpose = 'gap'::text) OR ((j.purpose = 'initial'::text) AND (j.error_code IS NULL))))))));
END;

CREATE OR REPLACE FUNCTION public.lock_unclaimed_email(email_id integer)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
#variable_conflict use_column
declare
  is_free boolean;
begin
  with free as materialized (
    select q.consumer
    from email_queue q
    where q.email_id = lock_unclaimed_email.email_id
      and (q.state <> 'claimed' or q.due_at <= clock_timestamp())
    for update skip locked
  )
  select not exists (
    select
    from email_queue q
    where q.email_id = lock_unclaimed_email.email_id
      and not exists (select from free f where f.consumer = q.consumer)
  )
  into is_free;
  return is_free;
end
$function$;

CREATE OR REPLACE FUNCTION public.may_ignore_backoff(m mailboxes)
 RETURNS boolean
 LANGUAGE sql
 STABLE
RETURN (has_newer_hint(m) AND COALESCE(((m).last_run_at <= (now() - '00:00:10'::interval)), true));

CREATE OR REPLACE FUNCTION public.prepare_consumer(consumer text)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
#variable_conflict use_column
declare
  prepared consumers;
  next_ids integer[];
begin
  if not exists (select from consumers c where c.name = prepare_consumer.consumer) then
    -- Another worker creates it, or an operator removes it: a later claim creates it.
    if not try_lock_consumer(prepare_consumer.consumer) then return; end if;
    insert into consumers (name)
    values (prepare_consumer.consumer)
    on conflict do nothing;
  end if;
  select c.* into prepared
  from consumers c
  where c.name = prepare_consumer.consumer
    and c.is_adding_older
  for no key update skip locked;
  if not found then return; end if;

  if prepared.add_to_id is null and prepared.created_in <> pg_current_xact_id() then
    if not await_stores() then return; end if;
    prepared.add_to_id := (select coalesce(max(e.id), 0) from incoming_emails e);
  end if;
  if prepare_consumer.consumer = 'extraction' then
    -- The lock waits for a change of `processed` that has not committed, and for `reprocess`.
    next_ids := array(
      select e.id
      from incoming_emails e
      where e.id > prepared.added_to_id
        and (prepared.add_to_id is null or e.id <= prepared.add_to_id)
        and not e.processed
        and not exists (select from email_queue q where q.consumer = 'extraction' and q.email_id = e.id)
      order by e.id
      limit 5000
      for share
    );
  else
    -- The lock waits for `reprocess`, and for no worker.
    next_ids := array(
      select e.id
      from incoming_emails e
      where e.id > prepared.added_to_id
        and (prepared.add_to_id is null or e.id <= prepared.add_to_id)
        and not exists (
          select from email_queue q where q.consumer = prepare_consumer.consumer and q.email_id = e.id
        )
        and not exists (
          select from email_results r where r.consumer = prepare_consumer.consumer and r.email_id = e.id
        )
      order by e.id
      limit 5000
      for key share
    );
  end if;
  insert into email_queue (consumer, email_id)
  select prepare_consumer.consumer, id
  from unnest(next_ids) id
  on conflict do nothing;
  if prepared.add_to_id is null then return; end if;
  update consumers c
  set add_to_id = prepared.add_to_id,
      added_to_id = coalesce(next_ids[array_upper(next_ids, 1)], c.added_to_id),
      is_adding_older = cardinality(next_ids) = 5000
  where c.name = prepare_consumer.consumer;
end
$function$;

CREATE OR REPLACE FUNCTION public.queue_stored_email()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
  perform begin_queueing();
  insert into email_queue (consumer, email_id)
  select c.name, new.id
  from consumers c
  where c.name <> 'extraction' or not new.processed;
  return null;
end
$function$;

CREATE OR REPLACE FUNCTION public.queue_unprocessed_email()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
  if new.processed then
    delete from email_queue q
    where q.consumer = 'extraction'
      and q.email_id = new.id;
  else
    insert into email_queue (consumer, email_id)
    select c.name, new.id
    from consumers c
    where c.name = 'extraction'
    on conflict do nothing;
  end if;
  return null;
end
$function$;

CREATE OR REPLACE FUNCTION public.quota_capacity(units_per_minute integer)
 RETURNS double precision
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN (((units_per_minute * 59))::double precision / (60.0)::double precision);

CREATE OR REPLACE FUNCTION public.raise_no_claim(consumer text, worker text, email_id integer)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
#variable_conflict use_column
declare
  queued email_queue;
begin
  if not exists (select from incoming_emails e where e.id = raise_no_claim.email_id) then
    raise exception using
      errcode = 'QE004',
      message = format('No email has the id %s.', coalesce(raise_no_claim.email_id::text, 'null')),
      hint = 'It was erased, or it was never stored. Discard the work.';
  end if;
  select q.* into queued
  from email_queue q
  where q.consumer = raise_no_claim.consumer
    and q.email_id = raise_no_claim.email_id;
  if queued.state = 'claimed' and queued.worker <> raise_no_claim.worker then
    raise exception using
      errcode = 'QE001',
      message = format('The worker %s has claimed the email %s.', queued.worker, raise_no_claim.email_id),
      hint = 'The claim of your worker expired before this call, or the name of the worker is wrong. Discard the work. Use a longer lease or extend_claim.';
  end if;
  if queued.email_id is null and (
    exists (
      select
      from email_results r
      where r.email_id = raise_no_claim.email_id
        and r.consumer = raise_no_claim.consumer
    )
    or raise_no_claim.consumer = 'extraction'
    and exists (select from incoming_emails e where e.id = raise_no_claim.email_id and e.processed)
  ) then
    raise exception using
      errcode = 'QE003',
      message = format('The email %s is completed already.', raise_no_claim.email_id),
      hint = 'Discard the work.';
  end if;
  raise exception using
    errcode = 'QE002',
    message = format(
      'The worker %s has no claim of the consumer %s on the email %s.',
      raise_no_claim.worker, raise_no_claim.consumer, raise_no_claim.email_id),
    hint = 'It was not claimed, or it was released, failed or queued again, or the transaction of the claim has not committed.';
end
$function$;

CREATE OR REPLACE FUNCTION public.refilled_units(q mailbox_quota, units_per_minute integer, at timestamp with time zone)
 RETURNS double precision
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN LEAST(quota_capacity(units_per_minute), ((q).available_units + ((GREATEST((0)::double precision, (EXTRACT(epoch FROM (at - (q).refilled_at)))::double precision) * (units_per_minute)::double precision) / (60.0)::double precision)));

CREATE OR REPLACE FUNCTION public.release_email(consumer text, worker text, email_id integer)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
#variable_conflict use_column
begin
  perform assert_may_act_for(release_email.consumer);
  perform assert_is_worker(release_email.worker);
  update email_queue q
  set state = 'waiting',
      due_at = clock_timestamp(),
      worker = null
  where q.consumer = release_email.consumer
    and q.email_id = release_email.email_id
    and q.worker = release_email.worker;
  if not found then
    perform raise_no_claim(release_email.consumer, release_email.worker, release_email.email_id);
  end if;
end
$function$;

CREATE OR REPLACE FUNCTION public.requeue_email(consumer text, email_id integer)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
#variable_conflict use_column
declare
  queued email_queue;
begin
  perform assert_may_act_for(requeue_email.consumer);
  perform begin_queueing();
  if not exists (select from consumers c where c.name = requeue_email.consumer) then
    raise exception using
      errcode = 'QE005',
      message = format('No consumer has the name %s.', requeue_email.consumer),
      hint = 'A consumer exists when the deployment names it, or from its first claim.';
  end if;
  perform from incoming_emails e where e.id = requeue_email.email_id for no key update;
  if not found then
    perform raise_no_claim(requeue_email.consumer, '', requeue_email.email_id);
  end if;
  -- The lock waits for a claim that has not committed.
  select q.* into queued
  from email_queue q
  where q.consumer = requeue_email.consumer
    and q.email_id = requeue_email.email_id
  for update;
  if queued.state = 'claimed' and queued.due_at > clock_timestamp() then
    raise exception using
      errcode = 'QE001',
      message = format('The worker %s has claimed the email %s.', queued.worker, requeue_email.email_id),
      hint = 'Wait until the worker ends or its claim expires.';
  end if;
  insert into email_queue (consumer, email_id)
  values (requeue_email.consumer, requeue_email.email_id)
  on conflict (consumer, email_id) do update
  set state = 'waiting',
      queued_at = now(),
      due_at = clock_timestamp(),
      worker = null,
      failure_count = 0,
      error = null;
end
$function$;

CREATE OR REPLACE FUNCTION public.retention_status(days integer)
 RETURNS TABLE(erased_count bigint, erased_at timestamp with time zone, checked_at timestamp with time zone, is_stalled boolean, blocked_count integer, blocked_reason text, uncompleted jsonb)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
BEGIN ATOMIC
 SELECT ( SELECT COALESCE(sum(r.email_count), (0)::bigint) AS "coalesce"
            FROM erasures r
           WHERE (r.selected_by = 'retention'::text)) AS "coalesce",
     ( SELECT max(r.ended_at) AS max
            FROM erasures r
           WHERE (r.selected_by = 'retention'::text)) AS max,
     p.checked_at,
     (COALESCE((p.checked_at < (now() - '1 day'::interval)), true) AND COALESCE(( SELECT (e.created_at < (now() - make_interval(days => (retention_status.days + 1))))
            FROM incoming_emails e
           WHERE (e.id >
                 CASE
                     WHEN (p.days = retention_status.days) THEN p.checked_to_id
                     ELSE 0
                 END)
           ORDER BY e.id
          LIMIT 1), false)),
     ( SELECT (count(*))::integer AS count
            FROM ( SELECT
                    FROM retention_blocks
                  LIMIT 1000) b) AS count,
     ( SELECT b.reason
            FROM retention_blocks b
           ORDER BY b.email_id
          LIMIT 1) AS reason,
     ( SELECT COALESCE(jsonb_agg(jsonb_build_object('consumer', u.consumer, 'count', u.count) ORDER BY u.consumer), '[]'::jsonb) AS "coalesce"
            FROM ( SELECT c.name AS consumer,
                     (( SELECT count(*) AS count
                            FROM ( SELECT
                                    FROM email_queue q_1
                                   WHERE ((q_1.consumer = c.name) AND (q_1.email_id <= p.expired_to_id))
                                  LIMIT 1000) q) +
                         CASE
                             WHEN c.is_adding_older THEN ( SELECT count(*) AS count
                                FROM ( SELECT e_1.id,
                                         e_1.processed
                                        FROM incoming_emails e_1
                                       WHERE ((e_1.id > c.added_to_id) AND (e_1.id <= LEAST(p.expired_to_id, c.add_to_id)))
                                       ORDER BY e_1.id
                                      LIMIT 1000) e
                               WHERE ((NOT ((c.name = 'extraction'::text) AND e.processed)) AND (NOT (EXISTS ( SELECT
                                        FROM email_queue q
                                       WHERE ((q.consumer = c.name) AND (q.email_id = e.id))))) AND (NOT (EXISTS ( SELECT
                                        FROM email_results r
                                       WHERE ((r.consumer = c.name) AND (r.email_id = e.id)))))))
                             ELSE (0)::bigint
                         END) AS count
                    FROM consumers c
                 UNION ALL
                  SELECT NULL::text,
                     ( SELECT count(*) AS count
                            FROM ( SELECT
                                    FROM incoming_emails e_1
                                   WHERE ((e_1.processed = false) AND (e_1.id <= p.expired_to_id))
                                  LIMIT 1000) e) AS count
                   WHERE (NOT (EXISTS ( SELECT
                            FROM consumers)))) u
           WHERE (u.count > 0)) AS "coalesce"
    FROM retention_progress p;
END;

CREATE OR REPLACE FUNCTION public.set_processed()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
begin
  -- Asks first: an update takes a lock even when it changes no row.
  if tg_op = 'INSERT' then
    if exists (select from incoming_emails e where e.id = new.email_id and e.processed) then
      update incoming_emails e
      set processed = false
      where e.id = new.email_id;
    end if;
  elsif exists (select from consumers c where c.name = 'extraction')
    and exists (select from incoming_emails e where e.id = old.email_id and not e.processed)
  then
    update incoming_emails e
    set processed = true
    where e.id = old.email_id;
  end if;
  return null;
end
$function$;

CREATE OR REPLACE FUNCTION public.set_received_at()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  select e.received_at, e.mailbox_id
  into new.received_at, new.mailbox_id
  from incoming_emails e
  where e.id = new.email_id;
  return new;
end
$function$;

CREATE OR REPLACE FUNCTION public.set_updated_at()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  new.updated_at := now();
  return new;
end
$function$;

CREATE OR REPLACE FUNCTION public.state_after(failure_count integer)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN (failure_count >= 5) THEN 'dead'::text ELSE 'waiting'::text END;

CREATE OR REPLACE FUNCTION public.try_lock_consumer(consumer text)
 RETURNS boolean
 LANGUAGE sql
BEGIN ATOMIC
 SELECT pg_try_advisory_xact_lock(hashtextextended(consumer, '7241865325823966'::bigint)) AS pg_try_advisory_xact_lock;
END;

CREATE OR REPLACE FUNCTION public.units_in_use(q mailbox_quota, units_per_minute integer)
 RETURNS integer
 LANGUAGE sql
 STABLE PARALLEL SAFE
RETURN (round((quota_capacity(units_per_minute) - refilled_units(q, units_per_minute, now()))))::integer;

CREATE TRIGGER email_attachments_object_released AFTER DELETE ON public.email_attachments FOR EACH ROW WHEN ((old.bucket_object IS NOT NULL)) EXECUTE FUNCTION announce_bucket_object();

CREATE TRIGGER email_attachments_object_replaced AFTER UPDATE OF bucket_object ON public.email_attachments FOR EACH ROW WHEN (((old.bucket_object IS NOT NULL) AND (old.bucket_object IS DISTINCT FROM new.bucket_object))) EXECUTE FUNCTION announce_bucket_object();

CREATE TRIGGER count_added AFTER INSERT ON public.email_ledger REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION count_ledger();

CREATE TRIGGER count_emptied AFTER TRUNCATE ON public.email_ledger FOR EACH STATEMENT EXECUTE FUNCTION count_ledger();

CREATE TRIGGER count_moved AFTER UPDATE ON public.email_ledger FOR EACH ROW WHEN (((old.state IS DISTINCT FROM new.state) OR (old.mailbox_id IS DISTINCT FROM new.mailbox_id))) EXECUTE FUNCTION count_ledger();

CREATE TRIGGER count_removed AFTER DELETE ON public.email_ledger REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION count_ledger();

CREATE TRIGGER email_queue_added AFTER INSERT ON public.email_queue FOR EACH ROW WHEN ((new.consumer = 'extraction'::text)) EXECUTE FUNCTION set_processed();

CREATE TRIGGER email_queue_removed AFTER DELETE ON public.email_queue FOR EACH ROW WHEN ((old.consumer = 'extraction'::text)) EXECUTE FUNCTION set_processed();

CREATE TRIGGER email_raw_object_released AFTER DELETE ON public.email_raw FOR EACH ROW WHEN ((old.bucket_object IS NOT NULL)) EXECUTE FUNCTION announce_bucket_object();

CREATE TRIGGER email_raw_object_replaced AFTER UPDATE OF bucket_object ON public.email_raw FOR EACH ROW WHEN (((old.bucket_object IS NOT NULL) AND (old.bucket_object IS DISTINCT FROM new.bucket_object))) EXECUTE FUNCTION announce_bucket_object();

CREATE TRIGGER email_search_received_at BEFORE INSERT ON public.email_search FOR EACH ROW WHEN (((new.received_at IS NULL) OR (new.mailbox_id IS NULL))) EXECUTE FUNCTION set_received_at();

CREATE TRIGGER incoming_emails_processed BEFORE UPDATE OF processed ON public.incoming_emails FOR EACH ROW WHEN ((old.processed IS DISTINCT FROM new.processed)) EXECUTE FUNCTION set_updated_at();

CREATE TRIGGER incoming_emails_processed_lock BEFORE UPDATE OF processed ON public.incoming_emails FOR EACH STATEMENT EXECUTE FUNCTION begin_queueing_processed();

CREATE TRIGGER incoming_emails_processed_queue AFTER UPDATE OF processed ON public.incoming_emails FOR EACH ROW WHEN ((old.processed IS DISTINCT FROM new.processed)) EXECUTE FUNCTION queue_unprocessed_email();

CREATE TRIGGER incoming_emails_queue AFTER INSERT ON public.incoming_emails FOR EACH ROW EXECUTE FUNCTION queue_stored_email();
