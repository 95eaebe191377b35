-- The console lists ignored and gone messages, the last ones first, and counts those of the last week by rule.
create index idx_email_ledger_ignored on email_ledger (ignored_rule, resolved_at, id)
where state = 'ignored';

create index idx_email_ledger_gone on email_ledger (resolved_at, id)
where state = 'gone';
