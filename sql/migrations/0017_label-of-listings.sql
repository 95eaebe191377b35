-- A page token of messages.list belongs to the request that returned it. If the configured label changes during a listing, the
-- pages before the token were listed with another label, and the listing starts over.
alter table list_jobs
  add column label_id text;

alter table reconciliations
  add column label_id text;
