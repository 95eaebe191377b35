-- Each run compacts the count changes of its own mailbox. Those of all mailboxes are always many when there are many mailboxes.
create index idx_ledger_changes_mailbox on ledger_changes (mailbox_id);

-- Few, because `status` sums those of all mailboxes: 10,000 mailboxes have at most half a million.
create function has_many_ledger_changes(mailbox_id integer) returns boolean
language sql stable
begin atomic
  select (
    select count(*)
    from (
      select 1
      from ledger_changes c
      where c.mailbox_id = has_many_ledger_changes.mailbox_id
      limit 50
    ) counted
  ) >= 50;
end;
