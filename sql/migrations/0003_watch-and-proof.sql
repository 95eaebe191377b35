-- What push and the proof of completeness need beside the columns that stand already.

alter table mailboxes
  -- Why the watch could not be registered or renewed; null while all is well.
  add column watch_error_code text,
  add column watch_error text,
  -- Of the ids that the last proof listed, those that the ledger had by then.
  add column proved_ledger_count integer,
  -- Since when the proved window began, and whether it was the whole time since the first start.
  add column proved_since timestamptz;

alter table listings
  -- A proof: when the listed window begins, and the ids that the ledger did not have. They are in the ledger from
  -- then on; whether they were missing or only new, history tells until the proof is judged.
  add column window_begins_at timestamptz,
  add column unknown_ids text[] not null default '{}',
  add column judged_at timestamptz;

create index idx_listings_unjudged on listings (mailbox_id) where purpose = 'proof' and judged_at is null;

alter table mailboxes
  -- A watch that failed is tried again then, not in every run.
  add column watch_next_attempt_at timestamptz,
  -- The last proof of the whole time since the first start: it outlives the proofs of the window.
  add column whole_proved_at timestamptz,
  add column whole_gmail_count integer,
  add column whole_missing_count integer;
