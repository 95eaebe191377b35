-- The first schema: what the owner's note names (incoming_emails, email_attachments, email_monitor_status),
-- and around it the ledger, the mailbox row with its cursor and lease, and the records of runs and incidents.
-- Forward only. The schema that results stands in sql/schema.sql.

-- One Gmail mailbox. Everything that decides who works on it, from where, and how fast, is on this one row.
create table mailboxes (
  id integer generated always as identity primary key,
  email_address text not null unique,
  -- SHA-256 over client id and refresh token: which credentials reach this mailbox. No secret can be had from it.
  credential_fingerprint text,
  created_at timestamptz not null default now(),

  -- All history up to the cursor stands in the ledger, and no later record of that history can turn up.
  cursor_history_id numeric(20, 0) not null,
  -- End of a listing that is not settled yet, and when it was listed.
  settling_history_id numeric(20, 0),
  settling_since timestamptz,
  -- Where a listing that ran out of time goes on; null when the last one reached its end.
  scan_history_id numeric(20, 0),

  -- The newest historyId that a push announced, and when.
  hint_history_id numeric(20, 0),
  hint_at timestamptz,

  lease_token uuid,
  lease_holder text,
  lease_expires_at timestamptz,

  watch_topic text,
  watch_expires_at timestamptz,

  -- Units spent in each second of the last minute: {"epoch second": units}.
  quota_spent jsonb not null default '{}',

  -- Failed cycles in a row; the next poll waits until then.
  failure_count integer not null default 0,
  next_poll_at timestamptz,
  last_success_at timestamptz,
  last_error_code text,
  last_error text,
  last_error_at timestamptz,

  -- The last comparison of Gmail's listing with the ledger.
  proved_at timestamptz,
  proved_gmail_count integer,
  proved_missing_count integer
);

-- One row for each Gmail message that the mailbox is known to hold or to have held.
create table email_ledger (
  id integer generated always as identity primary key,
  mailbox_id integer not null references mailboxes (id),
  gmail_message_id text not null,
  state text not null default 'pending'
    check (state in ('pending', 'stored', 'gone', 'ignored', 'dead')),
  -- 0 live mail, 1 backlog: live mail goes first.
  priority smallint not null default 0,
  source text not null
    check (source in ('history', 'initial', 'backfill', 'gap', 'proof')),
  -- The history record that announced it; null when a listing did.
  history_id numeric(20, 0),
  -- The labels were not known when the row was written: the rules are applied to the fetched message.
  check_labels boolean not null default false,
  ignored_rule text check ((state = 'ignored') = (ignored_rule is not null)),
  attempt_count integer not null default 0,
  last_attempt_at timestamptz,
  -- True from the start of an attempt to its end: still true in a later run means that its process died.
  attempt_open boolean not null default false,
  next_attempt_at timestamptz not null default now(),
  error_code text,
  error_detail text,
  discovered_at timestamptz not null default now(),
  settled_at timestamptz,
  unique (mailbox_id, gmail_message_id)
);

-- The order in which messages are taken: what was never tried first, then what was tried longest ago.
create index idx_email_ledger_pending on email_ledger (mailbox_id, priority, last_attempt_at nulls first, id)
  where state = 'pending';
create index idx_email_ledger_dead on email_ledger (mailbox_id) where state = 'dead';

create table incoming_emails (
  id integer generated always as identity primary key,
  mailbox_id integer not null references mailboxes (id),
  gmail_message_id text not null,
  gmail_thread_id text,
  label_ids text[] not null default '{}',
  -- The Message-ID header. Senders reuse it: it identifies nothing.
  rfc822_message_id text,
  sender text,
  sender_address text,
  recipients jsonb not null default '{}',
  subject text,
  body_text text,
  body_html text,
  -- When Gmail accepted it (internalDate); sent_at is what the sender's Date header claims.
  received_at timestamptz not null,
  sent_at timestamptz,
  size_bytes integer not null,
  attachment_count integer not null,
  -- What was wrong with the message and was worked around; empty for a clean one.
  defects text[] not null default '{}',
  parser_version integer not null,
  processed boolean not null default false,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

create unique index idx_incoming_emails_gmail_id on incoming_emails (gmail_message_id, mailbox_id);
create index idx_incoming_emails_processed on incoming_emails (id) where processed = false;

create table email_attachments (
  id integer generated always as identity primary key,
  email_id integer not null references incoming_emails (id) on delete cascade,
  -- Where the part stands in the MIME tree.
  part_path text not null,
  filename text not null,
  -- As declared; detected_content_type is what the bytes show, null when they show nothing.
  content_type text not null,
  detected_content_type text,
  content_id text,
  is_inline boolean not null default false,
  file_data bytea not null,
  file_size_bytes integer not null check (file_size_bytes = octet_length(file_data)),
  sha256 text not null check (sha256 ~ '^[0-9a-f]{64}$'),
  created_at timestamptz not null default now(),
  unique (email_id, part_path)
);

-- Attachments and raw mails are compressed already or by us: the database must not try again.
alter table email_attachments alter column file_data set storage external;

create index idx_email_attachments_email_id on email_attachments (email_id);

-- The exact bytes that Gmail gave, from which everything parsed can be rebuilt.
create table email_raw (
  email_id integer primary key references incoming_emails (id) on delete cascade,
  encoding text not null check (encoding in ('gzip')),
  data bytea not null,
  -- Of the uncompressed bytes.
  size_bytes integer not null,
  sha256 text not null check (sha256 ~ '^[0-9a-f]{64}$')
);

alter table email_raw alter column data set storage external;

-- The switch and the counters that the owner's note names; one row, id = 1.
create table email_monitor_status (
  id integer primary key default 1 check (id = 1),
  is_running boolean not null default false,
  last_poll_at timestamptz,
  last_error text,
  last_error_code text,
  -- Emails fetched and stored since the beginning, not emails that a later phase has processed.
  emails_processed_total integer not null default 0,
  updated_at timestamptz not null default now()
);

insert into email_monitor_status (id) values (1);

-- A resumable enumeration of messages.list: the first start, a backfill, a gap in the history, a proof.
create table listings (
  id integer generated always as identity primary key,
  mailbox_id integer not null references mailboxes (id),
  purpose text not null check (purpose in ('initial', 'backfill', 'gap', 'proof')),
  query text not null,
  page_token text,
  listed_count integer not null default 0,
  new_count integer not null default 0,
  created_at timestamptz not null default now(),
  -- The first listing is made twice, the second time from here on: Gmail's search shows new mail with a lag.
  not_before timestamptz not null default now(),
  finished_at timestamptz
);

create index idx_listings_open on listings (mailbox_id, id) where finished_at is null;

-- One row a run. A run without an outcome was killed, or is at work.
create table ingest_runs (
  id integer generated always as identity primary key,
  mailbox_id integer references mailboxes (id),
  trigger text not null check (trigger in ('schedule', 'push', 'manual')),
  outcome text,
  started_at timestamptz not null default now(),
  finished_at timestamptz,
  duration_ms integer,
  discovered_count integer not null default 0,
  stored_count integer not null default 0,
  gone_count integer not null default 0,
  ignored_count integer not null default 0,
  failed_count integer not null default 0,
  dead_count integer not null default 0,
  quota_units integer not null default 0,
  refused_count integer not null default 0,
  cursor_before numeric(20, 0),
  cursor_after numeric(20, 0),
  error_code text
);

create index idx_ingest_runs_started_at on ingest_runs (started_at);

-- What went wrong in a way that somebody may ask about later, and how it ended.
create table incidents (
  id integer generated always as identity primary key,
  mailbox_id integer not null references mailboxes (id),
  kind text not null,
  opened_at timestamptz not null default now(),
  closed_at timestamptz,
  detail jsonb not null default '{}'
);

create index idx_incidents_open on incidents (mailbox_id) where closed_at is null;
