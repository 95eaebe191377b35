-- Each run compacts the count changes of its own mailbox. Those of all mailboxes are always many when there are many mailboxes.
create index idx_ledger_changes_mailbox on ledger_changes (mailbox_id);

create function has_many_ledger_changes(mailbox_id integer) returns boolean
language sql stable
begin atomic
  select (
    select count(*)
    from (
      select 1
      from ledger_changes c
      where c.mailbox_id = has_many_ledger_changes.mailbox_id
      limit 200
    ) counted
  ) >= 200;
end;
