-- Stored emails whose message is not yet published on EMAILS_PUBSUB_TOPIC. The store writes the row in the commit of the email;
-- the holder of the lease deletes it when Pub/Sub has acknowledged the message. Without a topic the table stays empty.
create table email_outbox (
  -- The order of publication.
  id bigint generated always as identity primary key,
  mailbox_id integer not null references mailboxes (id),
  email_id integer not null unique references incoming_emails (id) on delete cascade,
  created_at timestamptz not null default now()
);

-- Each poll asks whether the mailbox has rows.
create index idx_email_outbox_mailbox on email_outbox (mailbox_id, id);
