/**
 * Triggers that check every write of the functions and record violations. These are: a cursor that moves back, an email or
 * a cursor written by a process without the lease, a ledger row that leaves `stored`, a crash suspect that is not claimed
 * alone. The session setting `faults.instance` identifies the writing process; each process sets it in its DATABASE_URL.
 */
export const AUDIT = `
create table fault_audit (at timestamptz not null default clock_timestamp(), note text not null);
create table fault_instances (instance integer primary key, pid integer not null);
-- While it has a row, writes fail as on a full disk: 'stores' = writes of email content, 'all' = all writes.
create table fault_disk_full (scope text not null);

-- Whether the process of this session holds the lease.
create function instance_holds_lease(holder text, expires_at timestamptz) returns boolean language sql as $$
  select coalesce(expires_at > now() and exists (
    select 1
    from fault_instances
    where instance = nullif(current_setting('faults.instance', true), '')::integer
      and pid::text = split_part(holder, ':', 2)
  ), false)
$$;

create function audit_mailbox() returns trigger language plpgsql as $$
begin
  if new.cursor_history_id < old.cursor_history_id then
    insert into fault_audit (note)
    values (format('the cursor moved back from %s to %s', old.cursor_history_id, new.cursor_history_id));
  end if;
  if (new.cursor_history_id, new.unconfirmed_history_id, new.listed_history_id)
      is distinct from (old.cursor_history_id, old.unconfirmed_history_id, old.listed_history_id)
    and not instance_holds_lease(new.lease_holder, new.lease_expires_at)
  then
    insert into fault_audit (note)
    values (format('the cursor was moved by process %s without the lease', current_setting('faults.instance', true)));
  end if;
  return new;
end $$;
create trigger audit_mailbox before update on mailboxes for each row execute function audit_mailbox();

create function audit_email() returns trigger language plpgsql as $$
begin
  if not exists (
    select 1 from mailboxes m where m.id = new.mailbox_id and instance_holds_lease(m.lease_holder, m.lease_expires_at)
  ) then
    insert into fault_audit (note)
    values (format('%s was stored by process %s without the lease',
      new.gmail_message_id, current_setting('faults.instance', true)));
  end if;
  return new;
end $$;
create trigger audit_email before insert on incoming_emails for each row execute function audit_email();

create function audit_ledger() returns trigger language plpgsql as $$
begin
  if old.state = 'stored' and new.state <> 'stored' then
    insert into fault_audit (note) values (format('%s left the state stored for %s', old.gmail_message_id, new.state));
  end if;
  return new;
end $$;
create trigger audit_ledger before update on email_ledger for each row execute function audit_ledger();

-- Checked on updates only: a message becomes a suspect when its abandoned claim is cleared, not on insert.
create function audit_claims() returns trigger language plpgsql as $$
begin
  if exists (
    select 1
    from email_ledger
    where claim_token is not null
    group by mailbox_id, claim_token
    having bool_or(is_crash_suspect) and count(*) > 1
  ) then
    insert into fault_audit (note) values ('a message that may have crashed its process is not fetched alone');
  end if;
  return null;
end $$;
create trigger audit_claims after update on email_ledger for each statement execute function audit_claims();

create function fail_when_full() returns trigger language plpgsql as $$
begin
  if current_setting('application_name') = 'email-monitor'
    and exists (select 1 from fault_disk_full where scope in ('all', tg_argv[0]))
  then
    raise exception 'could not extend file: No space left on device' using errcode = 'disk_full';
  end if;
  return null;
end $$;
do $$
declare
  name text;
begin
  for name in
    select tablename from pg_tables where schemaname = 'public' and tablename not like 'fault\\_%' and tablename <> 'pgmigrations'
  loop
    execute format(
      'create trigger fail_when_full before insert or update or delete on %I for each statement
       execute function fail_when_full(%L)',
      name,
      case when name in ('incoming_emails', 'email_attachments', 'email_raw') then 'stores' else 'other' end);
  end loop;
end $$;`;
