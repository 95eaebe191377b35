-- A page token of messages.list belongs to the request that returned it. If the configured label changes during a listing, the
-- pages before the token were listed with another label, and the listing starts over.
alter table list_jobs
  add column label_id text;

alter table reconciliations
  add column label_id text;

-- Open listings continue: their page tokens belong to the present label.
update list_jobs j
set label_id = m.label_id
from mailboxes m
where m.id = j.mailbox_id
  and j.finished_at is null;

update reconciliations r
set label_id = m.label_id
from mailboxes m
where m.id = r.mailbox_id
  and r.evaluated_at is null;
