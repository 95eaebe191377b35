-- The quota budget as one that refills while it is spent, beside the window that counts any minute whole.

alter table mailboxes
  -- Units spent and not refilled yet, at that time; they refill at the budget's pace.
  add column quota_owed double precision not null default 0,
  add column quota_owed_at timestamptz not null default now(),
  -- Gmail has refused what only a refilling budget allows: until then the window holds.
  add column quota_strict_until timestamptz;

-- Nobody knows when in the last minute: as if all of it had been spent just now.
update mailboxes
set quota_owed = coalesce((select sum(value::integer) from jsonb_each_text(quota_spent)), 0);
