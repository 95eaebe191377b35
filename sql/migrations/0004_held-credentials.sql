-- Which credentials the functions hold, so that `status` need not hold them: SHA-256 of client id and refresh token. Null: none.
alter table email_monitor_status add column credential_fingerprint text;

-- Until the next run records it: the credentials of the newest run.
update email_monitor_status
set credential_fingerprint = (
  select m.credential_fingerprint
  from mailboxes m
  where m.credential_fingerprint is not null
  order by coalesce(m.last_run_at, m.created_at) desc
  limit 1
);
