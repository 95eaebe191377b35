-- Retention: with RETENTION_DAYS, scheduled runs erase emails that every consumer has completed and that are older than the limit.
-- It keeps in the ledger what `npm run erase` keeps. Without RETENTION_DAYS nothing calls these functions.

alter table erasures drop constraint erasures_selected_by_check;
alter table erasures add constraint erasures_selected_by_check
  check (selected_by in ('sender', 'email', 'mailbox', 'retention'));
-- Retention has one row per day (UTC) and limit. It selects by age, which is no personal data: it needs no hash, and the database
-- has no key for one.
alter table erasures add column retention_days integer check (retention_days >= 1);
alter table erasures alter column selector_hmac drop not null;
alter table erasures add constraint erasures_selector_check
  check (case selected_by when 'retention' then retention_days is not null else selector_hmac is not null end);

-- How far retention has examined the emails. They are examined in the order of their ids, which is the order of storing, so the
-- expired ones come first. One row, id = 1, which is also the lock of `erase_expired_emails`.
create table retention_progress (
  id integer primary key default 1 check (id = 1),
  -- The limit of the last call; null before the first one. Another limit begins again.
  days integer,
  -- Emails up to this id are examined in this pass. When it has reached the last expired email, the pass examines emails as they
  -- expire. An hour after its begin, the next pass examines from the first email again: those that were not completed yet.
  checked_to_id integer not null default 0,
  pass_began_at timestamptz not null default now(),
  -- The highest id of an expired email so far.
  expired_to_id integer not null default 0,
  -- When the last call ended that did not fail.
  checked_at timestamptz
);

insert into retention_progress (id) values (1);

-- Expired and completed emails whose last attempt to delete them failed.
create table retention_blocks (
  email_id integer primary key references incoming_emails (id) on delete cascade,
  blocked_at timestamptz not null default now(),
  -- The constraint and its table, or the SQLSTATE. Not the message of PostgreSQL, which can have values.
  reason text not null
);

-- There is an expired email to examine. Two look-ups in the primary key.
create function has_expired_emails(days integer) returns boolean
language sql stable
begin atomic
  select coalesce((
    select e.created_at < now() - make_interval(days => $1)
    from incoming_emails e
    where e.id > coalesce((select p.checked_to_id from retention_progress p where p.days = $1), 0)
    order by e.id
    limit 1
  ), false) or exists (
    select
    from retention_progress p
    where p.pass_began_at < now() - interval '1 hour'
  ) and coalesce((
    select e.created_at < now() - make_interval(days => $1)
    from incoming_emails e
    order by e.id
    limit 1
  ), false);
end;

-- Those of the emails that every consumer has completed; without consumers, those with `processed`. Their publication is not
-- outstanding. An email that a consumer is still to get is not completed, see `prepare_consumer`.
create function completed_emails(ids integer[]) returns setof integer
language sql stable
begin atomic
  select e.id
  from incoming_emails e
  where e.id = any ($1)
    and (e.processed or exists (select from consumers))
    and not exists (select from email_queue q where q.email_id = e.id)
    and not exists (select from email_outbox o where o.email_id = e.id)
    and not exists (
      select
      from consumers c
      where c.is_adding_older
        and e.id > c.added_to_id
        and (c.add_to_id is null or e.id <= c.add_to_id)
        and not (c.name = 'extraction' and e.processed)
        and not exists (select from email_results r where r.email_id = e.id and r.consumer = c.name)
    )
  order by e.id;
end;

-- Erases emails that were received and stored more than `days` days ago, and that `completed_emails` returns. An email that was
-- imported yesterday thus stays, however old it is. Where received_at is in the future, which only an import can cause, only the time of
-- storing counts.
--
-- Bounds per call: 1,000 examined emails, max_count deletions, 20 failed ones, and one second, which a large email exceeds. A later call
-- continues. Returns how many emails it erased; 0 also while another call runs. Error 22023.
create function erase_expired_emails(days integer, max_count integer) returns integer
language plpgsql security definer set search_path = public, pg_temp set lock_timeout = '100ms'
as $$
#variable_conflict use_column
declare
  ends_at constant timestamptz := clock_timestamp() + interval '1 second';
  cutoff timestamptz;
  progress retention_progress;
  stored_ids integer[];
  expired_ids integer[];
  completed_ids integer[];
  next_id integer;
  erased record;
  erased_emails integer := 0;
  erased_attachments integer := 0;
  erased_results integer := 0;
  erased_bytes bigint := 0;
  failed_count integer := 0;
  is_cut boolean := false;
  failed_constraint text;
  failed_schema text;
  failed_table text;
begin
  if days is null or days not between 1 and 36500 or max_count is null or max_count not between 1 and 1000 then
    raise exception using
      errcode = '22023',
      message = 'days or max_count is invalid.',
      hint = 'Use 1 to 36500 days and 1 to 1000 emails.';
  end if;
  -- The snapshot of another isolation level can be older than a lock.
  perform assert_is_read_committed();
  cutoff := now() - make_interval(days => erase_expired_emails.days);
  select p.* into progress
  from retention_progress p
  for update skip locked;
  if not found then return 0; end if;

  if progress.days is distinct from erase_expired_emails.days then
    progress.days := erase_expired_emails.days;
    progress.checked_to_id := 0;
    progress.expired_to_id := 0;
    progress.pass_began_at := now();
  elsif progress.pass_began_at < now() - interval '1 hour' and not coalesce((
    select e.created_at < cutoff
    from incoming_emails e
    where e.id > progress.checked_to_id
    order by e.id
    limit 1
  ), false) then
    progress.checked_to_id := 0;
    progress.pass_began_at := now();
  end if;

  with next_emails as materialized (
    select e.id, e.created_at, e.received_at
    from incoming_emails e
    where e.id > progress.checked_to_id
    order by e.id
    limit 1000
  )
  select array_agg(n.id order by n.id), array_agg(n.id) filter (where n.received_at < cutoff or n.received_at > now())
  into stored_ids, expired_ids
  from next_emails n
  where n.created_at < cutoff;
  completed_ids := array(select c from completed_emails(expired_ids) c order by c);
  delete from retention_blocks b
  where b.email_id = any (stored_ids)
    and b.email_id <> all (completed_ids);

  -- A deferred foreign key of a consumer would otherwise fail the commit, and with it all deletions.
  set constraints all immediate;
  foreach next_id in array completed_ids loop
    if erased_emails + failed_count >= max_count or failed_count >= 20 or clock_timestamp() >= ends_at then
      is_cut := true;
      exit;
    end if;
    progress.checked_to_id := next_id;
    -- Lock order: first the email, then its queue. Another transaction that has it locked completes it, queues it or parses it again.
    perform from incoming_emails e where e.id = next_id for update skip locked;
    continue when not found;
    -- The snapshot of this statement follows the lock. Who queues an email locks it first, so it stays completed.
    continue when not exists (select from completed_emails(array[next_id]));
    begin
      -- The cascade deletes attachments, raw bytes, search words and results.
      with counts as materialized (
        select (select count(*) from email_attachments a where a.email_id = next_id) as attachments,
               (select count(*) from email_results r where r.email_id = next_id) as results,
               (select coalesce(sum(a.file_size_bytes), 0) from email_attachments a where a.email_id = next_id)
                 + (select coalesce(sum(coalesce(octet_length(w.data), w.bucket_bytes)), 0) from email_raw w where w.email_id = next_id) as bytes
      ),
      kept as (
        update email_ledger l
        set erased_at = now(),
            erased_sha256 = (select w.sha256 from email_raw w where w.email_id = next_id),
            error_code = null,
            error_detail = null
        from incoming_emails e
        where e.id = next_id
          and l.mailbox_id = e.mailbox_id
          and l.gmail_message_id = e.gmail_message_id
      ),
      removed as (
        delete from incoming_emails e
        where e.id = next_id
      )
      select c.*
      into erased
      from counts c;
      erased_emails := erased_emails + 1;
      erased_attachments := erased_attachments + erased.attachments;
      erased_results := erased_results + erased.results;
      erased_bytes := erased_bytes + erased.bytes;
    exception
      -- A consumer has a row locked that refers to the email. The next pass tries again.
      when lock_not_available or deadlock_detected then
        failed_count := failed_count + 1;
      -- A foreign key or a trigger of a consumer. It blocks no other email.
      when others then
        failed_count := failed_count + 1;
        get stacked diagnostics
          failed_constraint = constraint_name,
          failed_schema = schema_name,
          failed_table = table_name;
        insert into retention_blocks (email_id, reason)
        values (
          next_id,
          case
            when failed_constraint <> '' then
              format('the constraint %s of the table %s.%s', failed_constraint, failed_schema, failed_table)
            else format('an error with the SQLSTATE %s', sqlstate)
          end)
        on conflict (email_id) do update
        set blocked_at = excluded.blocked_at,
            reason = excluded.reason;
    end;
  end loop;

  if not is_cut then
    progress.checked_to_id := coalesce(stored_ids[array_upper(stored_ids, 1)], progress.checked_to_id);
  end if;
  update retention_progress p
  set days = progress.days,
      checked_to_id = progress.checked_to_id,
      pass_began_at = progress.pass_began_at,
      expired_to_id = greatest(progress.expired_to_id, progress.checked_to_id),
      checked_at = clock_timestamp();
  if erased_emails = 0 then return 0; end if;

  update erasures r
  set ended_at = clock_timestamp(),
      email_count = r.email_count + erased_emails,
      attachment_count = r.attachment_count + erased_attachments,
      result_count = r.result_count + erased_results,
      byte_count = r.byte_count + erased_bytes
  where r.selected_by = 'retention'
    and r.retention_days = erase_expired_emails.days
    and r.started_at >= date_trunc('day', now(), 'UTC');
  if not found then
    insert into erasures (
      selected_by, retention_days, ended_at, email_count, attachment_count, result_count, byte_count)
    values (
      'retention', erase_expired_emails.days, clock_timestamp(), erased_emails, erased_attachments, erased_results, erased_bytes);
  end if;
  return erased_emails;
end
$$;

-- For status. The counts stop at 1,000 per consumer. It runs as the owner, because the account of status may not read emails.
-- is_stalled: an email expired more than a day ago, and no call has succeeded for a day. uncompleted: {consumer, count} of the expired
-- emails that the consumer has not completed; a null consumer: there is none, and `processed` is false.
create function retention_status(days integer)
returns table (
  erased_count bigint, erased_at timestamptz, checked_at timestamptz, is_stalled boolean, blocked_count integer,
  blocked_reason text, uncompleted jsonb)
language sql stable security definer set search_path = public, pg_temp
begin atomic
  select (
           select coalesce(sum(r.email_count), 0)::bigint
           from erasures r
           where r.selected_by = 'retention'
         ),
         (
           select max(r.ended_at)
           from erasures r
           where r.selected_by = 'retention'
         ),
         p.checked_at,
         coalesce(p.checked_at < now() - interval '1 day', true) and coalesce((
           select e.created_at < now() - make_interval(days => $1 + 1)
           from incoming_emails e
           where e.id > case when p.days = $1 then p.checked_to_id else 0 end
           order by e.id
           limit 1
         ), false),
         (
           select count(*)::integer
           from (select from retention_blocks limit 1000) b
         ),
         (
           select b.reason
           from retention_blocks b
           order by b.email_id
           limit 1
         ),
         (
           select coalesce(jsonb_agg(jsonb_build_object('consumer', u.consumer, 'count', u.count) order by u.consumer), '[]')
           from (
             select c.name as consumer,
                    (
                      select count(*)
                      from (
                        select
                        from email_queue q
                        where q.consumer = c.name
                          and q.email_id <= p.expired_to_id
                        limit 1000
                      ) q
                    ) + case
                      when c.is_adding_older then (
                        select count(*)
                        from (
                          select e.id, e.processed
                          from incoming_emails e
                          where e.id > c.added_to_id
                            and e.id <= least(p.expired_to_id, c.add_to_id)
                          order by e.id
                          limit 1000
                        ) e
                        where not (c.name = 'extraction' and e.processed)
                          and not exists (select from email_queue q where q.consumer = c.name and q.email_id = e.id)
                          and not exists (select from email_results r where r.consumer = c.name and r.email_id = e.id)
                      )
                      else 0
                    end as count
             from consumers c
             union all
             select null,
                    (
                      select count(*)
                      from (
                        select
                        from incoming_emails e
                        where e.processed = false
                          and e.id <= p.expired_to_id
                        limit 1000
                      ) e
                    )
             where not exists (select from consumers)
           ) u
           where u.count > 0
         )
  from retention_progress p;
end;

-- Only accounts that `migrate` grants them may call these.
revoke execute on function erase_expired_emails(integer, integer), retention_status(integer) from public;
-- The function above calls it as its owner.
revoke execute on function completed_emails(integer[]) from public;

-- Autovacuum frees the space of deleted rows when a fifth of a table is dead by default. TOAST tables hold the bytes of attachments and
-- raw emails, by far the most of the database: with a limit of a year they would grow by a fifth, and deleted content would stay on the
-- disk for months. Without deletions, only incoming_emails is cleaned more often, after changes of `processed`.
alter table email_attachments set (
  autovacuum_vacuum_scale_factor = 0.02, toast.autovacuum_vacuum_scale_factor = 0.02);
alter table email_raw set (
  autovacuum_vacuum_scale_factor = 0.02, toast.autovacuum_vacuum_scale_factor = 0.02);
alter table incoming_emails set (
  autovacuum_vacuum_scale_factor = 0.02, toast.autovacuum_vacuum_scale_factor = 0.02);
alter table email_search set (
  autovacuum_vacuum_scale_factor = 0.02, toast.autovacuum_vacuum_scale_factor = 0.02);
