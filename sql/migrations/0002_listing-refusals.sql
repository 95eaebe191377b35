-- A listing that Gmail refuses (a query that it does not take) must neither be asked again in every cycle nor vanish:
-- it says why it ended, or why it waits.

alter table listings
  -- Times that it began anew because Gmail no longer took its page token.
  add column restart_count integer not null default 0,
  -- Why Gmail refused it: with finished_at it ended so, without it waits until not_before to be asked again.
  add column error_code text,
  add column error_detail text;
