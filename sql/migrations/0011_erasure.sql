-- Erasure: the content of an email is deleted with its row. Its ledger row stays, so that the message is neither fetched again
-- nor reported as missing.
alter table email_ledger add column erased_at timestamptz;
-- SHA-256 of the raw bytes of an erased email, which proves later that a given email was the erased one.
alter table email_ledger add column erased_sha256 text check (erased_sha256 ~ '^[0-9a-f]{64}$');

-- One row per call of `npm run erase -- --apply`.
create table erasures (
  id bigint generated always as identity primary key,
  started_at timestamptz not null default now(),
  -- Null: it runs, or was interrupted.
  ended_at timestamptz,
  -- The database user.
  account text not null default session_user,
  selected_by text not null check (selected_by in ('sender', 'email', 'mailbox')),
  -- HMAC-SHA-256 of the address or the email id with ERASURE_KEY, in hex.
  selector_hmac text not null check (selector_hmac ~ '^[0-9a-f]{64}$'),
  email_count integer not null default 0,
  attachment_count integer not null default 0,
  result_count integer not null default 0,
  -- Of the attachments and the compressed raw emails.
  byte_count bigint not null default 0
);
