-- Written by `npm run schema` from the migrations; do not edit.

create table email_accesses (
  id bigint not null generated always as identity,
  accessed_at timestamp with time zone not null default now(),
  account text not null,
  email_id integer not null,
  action text not null,
  attachment_id integer,
  constraint email_accesses_pkey PRIMARY KEY (id),
  constraint email_accesses_action_check CHECK ((action = ANY (ARRAY['open'::text, 'html'::text, 'raw'::text, 'attachment'::text])))
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
  file_data bytea not null,
  file_size_bytes integer not null,
  sha256 text not null,
  created_at timestamp with time zone not null default now(),
  parent_part_path text,
  constraint email_attachments_email_id_part_path_key UNIQUE (email_id, part_path),
  constraint email_attachments_pkey PRIMARY KEY (id),
  constraint email_attachments_email_id_fkey FOREIGN KEY (email_id) REFERENCES incoming_emails(id) ON DELETE CASCADE,
  constraint email_attachments_parent FOREIGN KEY (email_id, parent_part_path) REFERENCES email_attachments(email_id, part_path) DEFERRABLE INITIALLY DEFERRED,
  constraint email_attachments_check CHECK ((file_size_bytes = octet_length(file_data))),
  constraint email_attachments_sha256_check CHECK ((sha256 ~ '^[0-9a-f]{64}$'::text))
);
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
  constraint email_ledger_mailbox_id_gmail_message_id_key UNIQUE (mailbox_id, gmail_message_id),
  constraint email_ledger_pkey PRIMARY KEY (id),
  constraint email_ledger_mailbox_id_fkey FOREIGN KEY (mailbox_id) REFERENCES mailboxes(id),
  constraint email_ledger_check CHECK (((state = 'ignored'::text) = (ignored_rule IS NOT NULL))),
  constraint email_ledger_source_check CHECK ((source = ANY (ARRAY['history'::text, 'newest'::text, 'initial'::text, 'backfill'::text, 'gap'::text, 'reconciliation'::text]))),
  constraint email_ledger_state_check CHECK ((state = ANY (ARRAY['pending'::text, 'stored'::text, 'gone'::text, 'ignored'::text, 'dead'::text])))
);
CREATE INDEX idx_email_ledger_claimed ON public.email_ledger USING btree (mailbox_id) WHERE ((claim_token IS NOT NULL) OR is_crash_suspect);
CREATE INDEX idx_email_ledger_dead ON public.email_ledger USING btree (mailbox_id) WHERE (state = 'dead'::text);
CREATE INDEX idx_email_ledger_failing ON public.email_ledger USING btree (mailbox_id) WHERE ((state = 'pending'::text) AND (error_code IS NOT NULL));
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

create table email_search (
  email_id integer not null,
  search_words tsvector not null,
  constraint email_search_pkey PRIMARY KEY (email_id),
  constraint email_search_email_id_fkey FOREIGN KEY (email_id) REFERENCES incoming_emails(id) ON DELETE CASCADE
);
CREATE INDEX idx_email_search_words ON public.email_search USING gin (search_words) WITH (fastupdate='on', gin_pending_list_limit='512');

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
CREATE UNIQUE INDEX idx_incoming_emails_gmail_id ON public.incoming_emails USING btree (gmail_message_id, mailbox_id);
CREATE INDEX idx_incoming_emails_processed ON public.incoming_emails USING btree (id) WHERE (processed = false);
CREATE INDEX idx_incoming_emails_received_at ON public.incoming_emails USING btree (mailbox_id, received_at);

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

create table ledger_changes (
  mailbox_id integer not null,
  state text not null,
  change integer not null
);

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
  constraint reconciliations_pkey PRIMARY KEY (id),
  constraint reconciliations_mailbox_id_fkey FOREIGN KEY (mailbox_id) REFERENCES mailboxes(id)
);
CREATE INDEX idx_reconciliations_evaluated_at ON public.reconciliations USING btree (mailbox_id, evaluated_at) WHERE (evaluated_at IS NOT NULL);
CREATE UNIQUE INDEX idx_reconciliations_open ON public.reconciliations USING btree (mailbox_id) WHERE (evaluated_at IS NULL);
CREATE INDEX idx_reconciliations_started_at ON public.reconciliations USING btree (mailbox_id, started_at);

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

CREATE OR REPLACE FUNCTION public.email_words(text)
 RETURNS tsvector
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE STRICT
RETURN strip(to_tsvector('simple'::regconfig, translate(lower(("left"(NORMALIZE($1, NFKC), 64000) COLLATE pg_c_utf8)), '!"#$%&''()*+,-./:;<=>?@[\]^_`{|}~'::text, repeat(' '::text, 32))));

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

CREATE OR REPLACE FUNCTION public.has_newer_hint(m mailboxes)
 RETURNS boolean
 LANGUAGE sql
 STABLE
RETURN (COALESCE(((m).hint_history_id > COALESCE((m).listed_history_id, (0)::numeric)), false) OR COALESCE((((m).hint_history_id > COALESCE((m).shown_history_id, (0)::numeric)) AND ((m).hint_at > (clock_timestamp() - '00:00:10'::interval))), false));

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

CREATE OR REPLACE FUNCTION public.may_ignore_backoff(m mailboxes)
 RETURNS boolean
 LANGUAGE sql
 STABLE
RETURN (has_newer_hint(m) AND COALESCE(((m).last_run_at <= (now() - '00:00:10'::interval)), true));

CREATE OR REPLACE FUNCTION public.quota_capacity(units_per_minute integer)
 RETURNS double precision
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN (((units_per_minute * 59))::double precision / (60.0)::double precision);

CREATE OR REPLACE FUNCTION public.refilled_units(q mailbox_quota, units_per_minute integer, at timestamp with time zone)
 RETURNS double precision
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN LEAST(quota_capacity(units_per_minute), ((q).available_units + ((GREATEST((0)::double precision, (EXTRACT(epoch FROM (at - (q).refilled_at)))::double precision) * (units_per_minute)::double precision) / (60.0)::double precision)));

CREATE OR REPLACE FUNCTION public.set_updated_at()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  new.updated_at := now();
  return new;
end
$function$;

CREATE OR REPLACE FUNCTION public.units_in_use(q mailbox_quota, units_per_minute integer)
 RETURNS integer
 LANGUAGE sql
 STABLE PARALLEL SAFE
RETURN (round((quota_capacity(units_per_minute) - refilled_units(q, units_per_minute, now()))))::integer;

CREATE TRIGGER count_added AFTER INSERT ON public.email_ledger REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION count_ledger();

CREATE TRIGGER count_emptied AFTER TRUNCATE ON public.email_ledger FOR EACH STATEMENT EXECUTE FUNCTION count_ledger();

CREATE TRIGGER count_moved AFTER UPDATE ON public.email_ledger FOR EACH ROW WHEN (((old.state IS DISTINCT FROM new.state) OR (old.mailbox_id IS DISTINCT FROM new.mailbox_id))) EXECUTE FUNCTION count_ledger();

CREATE TRIGGER count_removed AFTER DELETE ON public.email_ledger REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION count_ledger();

CREATE TRIGGER incoming_emails_processed BEFORE UPDATE OF processed ON public.incoming_emails FOR EACH ROW WHEN ((old.processed IS DISTINCT FROM new.processed)) EXECUTE FUNCTION set_updated_at();
