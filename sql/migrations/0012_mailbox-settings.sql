-- The mailboxes that operators added, and settings of the first one. The first mailbox needs no row: its credentials, label and
-- query are environment variables.
create table mailbox_settings (
  id integer generated always as identity primary key,
  -- In lower case. Follows a rename of the account.
  email_address text not null unique check (email_address = lower(email_address)),
  -- Null until Gmail has answered for this mailbox once.
  mailbox_id integer unique references mailboxes (id),
  -- environment: the variables hold the credentials. refresh_token: a secret of its own. delegation: a service account signs.
  access text not null check (access in ('environment', 'refresh_token', 'delegation')),
  -- Of refresh_token: the name of the secret, without the prefix of GMAIL_MAILBOX_SECRETS.
  -- It stays when the account gets a new address, so the same address may have another name later.
  secret_name text unique,
  -- Null: all received mail. GMAIL_LABEL_ID is for the first mailbox only, because label ids belong to one mailbox.
  label text,
  -- Null: as GMAIL_INITIAL_QUERY says.
  initial_query text,
  is_paused boolean not null default false,
  -- When the last pause ended; null: never.
  resumed_at timestamptz,
  added_at timestamptz not null default now(),
  -- While mailbox_id is null: the last attempt to reach the mailbox. Afterwards `mailboxes` has the errors of runs.
  failure_count integer not null default 0,
  next_attempt_at timestamptz,
  last_error_code text,
  last_error text,
  check ((access = 'refresh_token') = (secret_name is not null)),
  check (access <> 'environment' or mailbox_id is not null)
);

-- When is_running last became true; null: before this column existed. The runs of all mailboxes change updated_at.
alter table email_monitor_status add column started_at timestamptz;
