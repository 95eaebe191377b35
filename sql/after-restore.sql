-- Run once on a restored database, before any function uses it: npm run sql -- "$(cat sql/after-restore.sql)"
-- The account must own the tables. The result has one row per identity column: the last id and the first one after it.
-- It is safe to run again: ids are only skipped.

-- The monitor stays off until an operator calls start. The restored flag may say on.
update email_monitor_status
set is_running = false,
    updated_at = now()
where id = 1;

-- Invariant: an id that was handed out after the restore point is never handed out again, because consumers may have
-- stored it. Gmail's quota allows 432,000 emails per day, so the margin for integer ids covers 14 days at full speed with
-- eight attachments per email. Bigint ids have room for a larger margin.
with identity_columns as (
  select
    c.relname::text as table_name,
    pg_get_serial_sequence(format('public.%I', c.relname), a.attname)::regclass as sequence,
    case a.atttypid
      when 'integer'::regtype then 50000000
      else 1000000000
    end as margin
  from pg_attribute a
  join pg_class c on c.oid = a.attrelid
  where c.relnamespace = 'public'::regnamespace
    and c.relkind in ('r', 'p')
    and a.attidentity <> ''
),
restored as (
  select
    table_name,
    sequence,
    margin,
    coalesce(pg_sequence_last_value(sequence), 0) as restored_id
  from identity_columns
)
select
  table_name,
  restored_id as last_restored_id,
  setval(sequence, restored_id + margin) + 1 as next_id
from restored
order by table_name;
