-- The queue of the next phase. A consumer is one kind of work, for example `extraction`; its workers claim emails, and complete
-- or fail them. docs/consumer.md describes the functions, their errors and their guarantees.
--
-- SQLSTATEs: QE001 another worker has claimed the email since, QE002 the worker has no claim on it, QE003 it is completed already,
-- QE004 the email does not exist or was erased, QE005 an argument is invalid, QE006 the result is too large.

-- A consumer exists from its first claim, or from the `migrate` that grants its account, until an operator removes it.
create table consumers (
  name text primary key check (name ~ '^[a-z][a-z0-9_-]{0,62}$'),
  created_at timestamptz not null default now(),
  created_in xid8 not null default pg_current_xact_id(),
  -- Emails that were stored before the consumer existed are still to be queued: those above added_to_id, up to add_to_id. Null: up
  -- to which one is not known yet, see `prepare_consumer`.
  is_adding_older boolean not null default true,
  added_to_id integer not null default 0,
  add_to_id integer
);

-- The database accounts of consumers. `migrate` writes it. An account that is listed may act only for its own consumers.
create table consumer_accounts (
  account text not null,
  consumer text not null,
  primary key (account, consumer)
);

-- One row per email that a consumer has not completed.
create table email_queue (
  -- Not a foreign key: checking it would lock the consumer's row in every store.
  consumer text not null,
  email_id integer not null references incoming_emails (id) on delete cascade,
  state text not null default 'waiting' check (state in ('waiting', 'claimed', 'dead')),
  queued_at timestamptz not null default now(),
  -- State waiting, after a failure: when it can be claimed. State claimed: when the claim expires. State dead: when it failed or the claim expired.
  due_at timestamptz not null default now(),
  -- Who claimed it last, until that worker fails it or gives it back. It may end its claim while nothing else has changed the row.
  worker text,
  -- Failures and expired claims.
  failure_count integer not null default 0,
  -- Of the last failure.
  error text,
  primary key (consumer, email_id)
) with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);

-- For claims: emails without a failure by id, the others by the end of their wait, and claims by their expiry.
create index idx_email_queue_new on email_queue (consumer, email_id) where state = 'waiting' and failure_count = 0;
create index idx_email_queue_retry on email_queue (consumer, due_at) where state = 'waiting' and failure_count > 0;
create index idx_email_queue_claimed on email_queue (consumer, due_at) where state = 'claimed';
-- For status, and for erasure.
create index idx_email_queue_dead on email_queue (consumer, email_id) where state = 'dead';
create index idx_email_queue_age on email_queue (consumer, queued_at) where state <> 'dead';
create index idx_email_queue_email_id on email_queue using hash (email_id);

-- One row per email that a consumer has completed.
create table email_results (
  email_id integer not null references incoming_emails (id) on delete cascade,
  consumer text not null,
  worker text not null,
  result jsonb,
  completed_at timestamptz not null default clock_timestamp(),
  primary key (email_id, consumer)
);

-- For `same_message_id_as`. A hash, because a Message-ID can be longer than an index entry.
create index idx_incoming_emails_message_id on incoming_emails (hashtextextended(rfc822_message_id, 0), id)
  where rfc822_message_id is not null;

-- Only its locks are used. Not advisory locks, which every account may take.
create table queueing_lock ();

-- Error QE005. The snapshot of another isolation level can be older than a lock that the transaction waits for.
create function assert_is_read_committed() returns void
language plpgsql set search_path = public, pg_temp
as $$
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception using
      errcode = 'QE005',
      message = format('The queue cannot be used with the isolation level %s.', current_setting('transaction_isolation')),
      hint = 'Use the isolation level read committed.';
  end if;
end
$$;

-- A transaction that queues emails calls this first: `await_stores` waits for its end. Read the consumers in a later statement, whose
-- snapshot follows the lock. Error QE005.
create function begin_queueing() returns void
language plpgsql set search_path = public, pg_temp
as $$
begin
  perform assert_is_read_committed();
  lock table queueing_lock in row share mode;
end
$$;

-- Waits until the transactions have ended that began to queue emails before this call. Those that begin later see every consumer
-- that is committed now. False: one still runs. Stores wait for the lock, so it is requested briefly and released at once: that of
-- a subtransaction ends with its exception.
create function await_stores() returns boolean
language plpgsql set search_path = public, pg_temp set lock_timeout = '100ms'
as $$
begin
  lock table queueing_lock in exclusive mode;
  raise exception 'The lock is released.';
exception
  when raise_exception then return true;
  when lock_not_available then return false;
end
$$;

-- Until the end of the transaction, the consumer is neither created nor removed. False: another transaction has the lock.
create function try_lock_consumer(consumer text) returns boolean
language sql
begin atomic
  select pg_try_advisory_xact_lock(hashtextextended(consumer, 7241865325823966));
end;

-- Queues a stored email for each consumer, in the commit that stores it.
create function queue_stored_email() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
  perform begin_queueing();
  insert into email_queue (consumer, email_id)
  select c.name, new.id
  from consumers c
  where c.name <> 'extraction' or not new.processed;
  return null;
end
$$;

create trigger incoming_emails_queue
after insert on incoming_emails
for each row execute function queue_stored_email();

-- The consumer `extraction` is the one of the hand-over note: an email is in its queue exactly while `processed` is false.
create function queue_unprocessed_email() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
  if new.processed then
    delete from email_queue q
    where q.consumer = 'extraction'
      and q.email_id = new.id;
  else
    insert into email_queue (consumer, email_id)
    select c.name, new.id
    from consumers c
    where c.name = 'extraction'
    on conflict do nothing;
  end if;
  return null;
end
$$;

create function begin_queueing_processed() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
  perform begin_queueing();
  return null;
end
$$;

-- Before the first row is locked: a transaction that waits for this lock must not hold an email.
create trigger incoming_emails_processed_lock
before update of processed on incoming_emails
for each statement execute function begin_queueing_processed();

create trigger incoming_emails_processed_queue
after update of processed on incoming_emails
for each row when (old.processed is distinct from new.processed)
execute function queue_unprocessed_email();

-- The other direction. The rows of a removed consumer say nothing about its emails.
create function set_processed() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
  -- Asks first: an update takes a lock even when it changes no row.
  if tg_op = 'INSERT' then
    if exists (select from incoming_emails e where e.id = new.email_id and e.processed) then
      update incoming_emails e
      set processed = false
      where e.id = new.email_id;
    end if;
  elsif exists (select from consumers c where c.name = 'extraction')
    and exists (select from incoming_emails e where e.id = old.email_id and not e.processed)
  then
    update incoming_emails e
    set processed = true
    where e.id = old.email_id;
  end if;
  return null;
end
$$;

create trigger email_queue_added
after insert on email_queue
for each row when (new.consumer = 'extraction')
execute function set_processed();

create trigger email_queue_removed
after delete on email_queue
for each row when (old.consumer = 'extraction')
execute function set_processed();

-- What a worker needs of an email. Files: `attachment_data`.
create view emails_for_processing as
select e.id, m.email_address as mailbox, e.sender, e.sender_address, e.recipients, e.delivered_to, e.subject, e.received_at,
       e.gmail_message_id, e.gmail_thread_id, e.rfc822_message_id, e.in_reply_to, e.list_id, e.auto_submitted,
       -- The first of ten earlier emails with that Message-ID whose files are the same. A hint: senders reuse Message-IDs.
       (
         select earlier.id
         from (
           select o.id
           from incoming_emails o
           where hashtextextended(o.rfc822_message_id, 0) = hashtextextended(e.rfc822_message_id, 0)
             and o.rfc822_message_id = e.rfc822_message_id
             and o.id < e.id
           order by o.id
           limit 10
         ) earlier
         where array(select a.sha256 from email_attachments a where a.email_id = earlier.id order by a.sha256)
             = array(select a.sha256 from email_attachments a where a.email_id = e.id order by a.sha256)
         order by earlier.id
         limit 1
       ) as same_message_id_as,
       e.plain_text, e.body_text, e.body_html, e.defects,
       coalesce(
         (
           select jsonb_agg(
             jsonb_build_object(
               'id', a.id,
               'filename', a.filename,
               -- As sniffed from the bytes; as declared when they have no signature.
               'content_type', coalesce(a.detected_content_type, a.content_type),
               'size_bytes', a.file_size_bytes,
               'sha256', a.sha256,
               'is_inline', a.is_inline,
               -- The attachment that contains this one, for example an attached message.
               'containing_attachment_id', p.id
             )
             order by a.id
           )
           from email_attachments a
           left join email_attachments p on p.email_id = a.email_id and p.part_path = a.parent_part_path
           where a.email_id = e.id
         ),
         '[]'
       ) as attachments
from incoming_emails e
join mailboxes m on m.id = e.mailbox_id;

-- The bytes of an attachment. Error QE004: it does not exist.
create function attachment_data(attachment_id integer) returns bytea
language plpgsql stable
as $$
declare
  bytes bytea;
begin
  select a.file_data into bytes
  from email_attachments a
  where a.id = attachment_data.attachment_id;
  if not found then
    raise exception using
      errcode = 'QE004',
      message = format('No attachment has the id %s.', coalesce(attachment_id::text, 'null')),
      hint = 'Its email was erased, or `npm run reprocess` removed it.';
  end if;
  return bytes;
end
$$;

-- Error 42501: the account is that of another consumer. Error QE005: the name is not that of a consumer.
create function assert_may_act_for(consumer text) returns void
language plpgsql stable set search_path = public, pg_temp
as $$
begin
  if consumer is null or consumer !~ '^[a-z][a-z0-9_-]{0,62}$' then
    raise exception using
      errcode = 'QE005',
      message = 'The consumer name is invalid.',
      hint = 'Use a lower-case letter, then at most 62 lower-case letters, digits, hyphens or underscores.';
  end if;
  if exists (select from consumer_accounts a where a.account = session_user)
    and not exists (
      select
      from consumer_accounts a
      where a.account = session_user
        and a.consumer = assert_may_act_for.consumer
    )
  then
    raise exception using
      errcode = '42501',
      message = format('The account %s may not act for the consumer %s.', session_user, consumer),
      hint = 'Use the consumer name that the deployment gives to this account.';
  end if;
end
$$;

-- Error QE005.
create function assert_is_worker(worker text) returns void
language plpgsql immutable set search_path = public, pg_temp
as $$
begin
  if worker is null or btrim(worker) = '' or length(worker) > 200 then
    raise exception using
      errcode = 'QE005',
      message = 'The worker name is invalid.',
      hint = 'Use a name of at most 200 characters that is new for each start of the process.';
  end if;
end
$$;

-- Error QE005.
create function assert_is_lease(lease interval) returns void
language plpgsql immutable set search_path = public, pg_temp
as $$
begin
  if lease is null or lease <= interval '0' or lease > interval '1 day' then
    raise exception using
      errcode = 'QE005',
      message = 'The lease is invalid.',
      hint = 'Use more than zero and at most one day.';
  end if;
end
$$;

-- Creates the consumer on its first claim, and queues at most 5,000 older emails that it has not completed. Other calls do not
-- wait for the one that queues them.
--
-- The first call cannot see the emails of stores that run now, and they do not see the consumer. So a later call begins again, when
-- the consumer is committed and those stores have ended: from then on, each email is either visible or queued by its own store.
create function prepare_consumer(consumer text) returns void
language plpgsql set search_path = public, pg_temp
as $$
#variable_conflict use_column
declare
  prepared consumers;
  next_ids integer[];
begin
  if not exists (select from consumers c where c.name = prepare_consumer.consumer) then
    -- Another worker creates it, or an operator removes it: a later claim creates it.
    if not try_lock_consumer(prepare_consumer.consumer) then return; end if;
    insert into consumers (name)
    values (prepare_consumer.consumer)
    on conflict do nothing;
  end if;
  select c.* into prepared
  from consumers c
  where c.name = prepare_consumer.consumer
    and c.is_adding_older
  for no key update skip locked;
  if not found then return; end if;

  if prepared.add_to_id is null and prepared.created_in <> pg_current_xact_id() then
    if not await_stores() then return; end if;
    prepared.add_to_id := (select coalesce(max(e.id), 0) from incoming_emails e);
  end if;
  if prepare_consumer.consumer = 'extraction' then
    -- The lock waits for a change of `processed` that has not committed, and for `reprocess`.
    next_ids := array(
      select e.id
      from incoming_emails e
      where e.id > prepared.added_to_id
        and (prepared.add_to_id is null or e.id <= prepared.add_to_id)
        and not e.processed
        and not exists (select from email_queue q where q.consumer = 'extraction' and q.email_id = e.id)
      order by e.id
      limit 5000
      for share
    );
  else
    -- The lock waits for `reprocess`, and for no worker.
    next_ids := array(
      select e.id
      from incoming_emails e
      where e.id > prepared.added_to_id
        and (prepared.add_to_id is null or e.id <= prepared.add_to_id)
        and not exists (
          select from email_queue q where q.consumer = prepare_consumer.consumer and q.email_id = e.id
        )
        and not exists (
          select from email_results r where r.consumer = prepare_consumer.consumer and r.email_id = e.id
        )
      order by e.id
      limit 5000
      for key share
    );
  end if;
  insert into email_queue (consumer, email_id)
  select prepare_consumer.consumer, id
  from unnest(next_ids) id
  on conflict do nothing;
  if prepared.add_to_id is null then return; end if;
  update consumers c
  set add_to_id = prepared.add_to_id,
      added_to_id = coalesce(next_ids[array_upper(next_ids, 1)], c.added_to_id),
      is_adding_older = cardinality(next_ids) = 5000
  where c.name = prepare_consumer.consumer;
end
$$;

-- The state of an email after a failure. After the fifth one it is dead.
create function state_after(failure_count integer) returns text
language sql immutable parallel safe
return case when failure_count >= 5 then 'dead' else 'waiting' end;

-- Claims emails for a worker: one whose claim has expired, or up to max_count that wait. The former is returned alone, because it
-- may have crashed its worker. The others are those that failed before, longest due first, then the lowest ids. No rows: nothing
-- can be claimed now.
-- Errors: QE005, 42501.
create function claim_emails(
  consumer text, worker text, max_count integer default 1, lease interval default '5 minutes')
returns setof emails_for_processing
language plpgsql security definer set search_path = public, pg_temp
as $$
#variable_conflict use_column
declare
  moment timestamptz;
  expired record;
  claimed_ids integer[];
begin
  perform assert_may_act_for(claim_emails.consumer);
  perform assert_is_worker(claim_emails.worker);
  perform assert_is_lease(claim_emails.lease);
  if max_count is null or max_count not between 1 and 1000 then
    raise exception using
      errcode = 'QE005',
      message = 'max_count is invalid.',
      hint = 'Use a number from 1 to 1000.';
  end if;
  perform assert_is_read_committed();
  -- A worker that forgets to commit must not keep the rows locked.
  if current_setting('idle_in_transaction_session_timeout') = '0' then
    perform set_config('idle_in_transaction_session_timeout', '60s', false);
  end if;
  perform prepare_consumer(claim_emails.consumer);

  loop
    moment := clock_timestamp();
    select q.email_id, q.failure_count + 1 as failure_count,
           format('The claim of the worker %s expired.', q.worker) as error
    into expired
    from email_queue q
    where q.consumer = claim_emails.consumer
      and q.state = 'claimed'
      and q.due_at <= moment
    order by q.due_at
    limit 1
    for update skip locked;
    exit when not found;
    -- A dead email keeps the name of its worker, which may still complete it.
    update email_queue q
    set state = 'dead',
        failure_count = expired.failure_count,
        error = expired.error
    where q.consumer = claim_emails.consumer
      and q.email_id = expired.email_id
      and state_after(expired.failure_count) = 'dead';
    continue when found;
    update email_queue q
    set worker = claim_emails.worker,
        due_at = clock_timestamp() + claim_emails.lease,
        failure_count = expired.failure_count,
        error = expired.error
    where q.consumer = claim_emails.consumer
      and q.email_id = expired.email_id;
    return query
      select v.*
      from emails_for_processing v
      where v.id = expired.email_id;
    return;
  end loop;

  claimed_ids := array(
    select q.email_id
    from email_queue q
    where q.consumer = claim_emails.consumer
      and q.state = 'waiting'
      and q.failure_count > 0
      and q.due_at <= moment
    order by q.due_at
    limit max_count
    for update skip locked
  );
  claimed_ids := claimed_ids || array(
    select q.email_id
    from email_queue q
    where q.consumer = claim_emails.consumer
      and q.state = 'waiting'
      and q.failure_count = 0
    order by q.email_id
    limit max_count - cardinality(claimed_ids)
    for update skip locked
  );
  update email_queue q
  set state = 'claimed',
      worker = claim_emails.worker,
      due_at = clock_timestamp() + claim_emails.lease
  where q.consumer = claim_emails.consumer
    and q.email_id = any (claimed_ids);
  return query
    select v.*
    from emails_for_processing v
    where v.id = any (claimed_ids)
    order by v.id;
end
$$;

-- Raises the error that says why the worker has no claim on the email: QE001, QE002, QE003 or QE004.
create function raise_no_claim(consumer text, worker text, email_id integer) returns void
language plpgsql set search_path = public, pg_temp
as $$
#variable_conflict use_column
declare
  queued email_queue;
begin
  if not exists (select from incoming_emails e where e.id = raise_no_claim.email_id) then
    raise exception using
      errcode = 'QE004',
      message = format('No email has the id %s.', coalesce(raise_no_claim.email_id::text, 'null')),
      hint = 'It was erased, or it was never stored. Discard the work.';
  end if;
  select q.* into queued
  from email_queue q
  where q.consumer = raise_no_claim.consumer
    and q.email_id = raise_no_claim.email_id;
  if queued.state = 'claimed' and queued.worker <> raise_no_claim.worker then
    raise exception using
      errcode = 'QE001',
      message = format('The worker %s has claimed the email %s.', queued.worker, raise_no_claim.email_id),
      hint = 'The claim of your worker expired before this call, or the name of the worker is wrong. Discard the work. Use a longer lease or extend_claim.';
  end if;
  if queued.email_id is null and (
    exists (
      select
      from email_results r
      where r.email_id = raise_no_claim.email_id
        and r.consumer = raise_no_claim.consumer
    )
    or raise_no_claim.consumer = 'extraction'
    and exists (select from incoming_emails e where e.id = raise_no_claim.email_id and e.processed)
  ) then
    raise exception using
      errcode = 'QE003',
      message = format('The email %s is completed already.', raise_no_claim.email_id),
      hint = 'Discard the work.';
  end if;
  raise exception using
    errcode = 'QE002',
    message = format(
      'The worker %s has no claim of the consumer %s on the email %s.',
      raise_no_claim.worker, raise_no_claim.consumer, raise_no_claim.email_id),
    hint = 'It was not claimed, or it was released, failed or queued again, or the transaction of the claim has not committed.';
end
$$;

-- Extends a claim to a lease from now. Returns when it expires. Errors: QE001 to QE005, 42501.
create function extend_claim(consumer text, worker text, email_id integer, lease interval default '5 minutes')
returns timestamptz
language plpgsql security definer set search_path = public, pg_temp
as $$
#variable_conflict use_column
declare
  expires_at timestamptz;
begin
  perform assert_may_act_for(extend_claim.consumer);
  perform assert_is_worker(extend_claim.worker);
  perform assert_is_lease(extend_claim.lease);
  update email_queue q
  set state = 'claimed',
      due_at = clock_timestamp() + extend_claim.lease
  where q.consumer = extend_claim.consumer
    and q.email_id = extend_claim.email_id
    and q.worker = extend_claim.worker
  returning q.due_at into expires_at;
  if not found then
    perform raise_no_claim(extend_claim.consumer, extend_claim.worker, extend_claim.email_id);
  end if;
  return expires_at;
end
$$;

-- Ends the work on an email. An expired claim is enough while no other worker has claimed the email. Completing as `extraction`
-- also sets `processed`. result: at most 1 MiB. Errors: QE001 to QE006, 42501.
create function complete_email(consumer text, worker text, email_id integer, result jsonb default null)
returns void
language plpgsql security definer set search_path = public, pg_temp
as $$
#variable_conflict use_column
begin
  perform assert_may_act_for(complete_email.consumer);
  perform assert_is_worker(complete_email.worker);
  if octet_length(result::text) > 1048576 then
    raise exception using
      errcode = 'QE006',
      message = format('The result has %s bytes.', octet_length(result::text)),
      hint = 'At most 1 MiB is stored. Keep larger results in the schema of the consumer.';
  end if;
  -- First the email, then its row in the queue: an erasure and an update of `processed` lock them in this order too.
  if complete_email.consumer = 'extraction' then
    perform from incoming_emails e where e.id = complete_email.email_id for no key update;
  else
    perform from incoming_emails e where e.id = complete_email.email_id for key share;
  end if;
  delete from email_queue q
  where q.consumer = complete_email.consumer
    and q.email_id = complete_email.email_id
    and q.worker = complete_email.worker;
  if not found then
    perform raise_no_claim(complete_email.consumer, complete_email.worker, complete_email.email_id);
  end if;
  insert into email_results (email_id, consumer, worker, result)
  values (complete_email.email_id, complete_email.consumer, complete_email.worker, complete_email.result)
  on conflict (email_id, consumer) do update
  set worker = excluded.worker,
      result = excluded.result,
      completed_at = excluded.completed_at;
  -- The trigger of the queue does not set it once the consumer is removed.
  if complete_email.consumer = 'extraction' then
    update incoming_emails e
    set processed = true
    where e.id = complete_email.email_id
      and not e.processed;
  end if;
end
$$;

-- Ends a claim with an error, which an operator reads: it must not contain mail. The email is claimed again after retry_in; null:
-- after 1, 5, 25 and 125 minutes. The fifth failure makes it dead. Returns when it can be claimed again; null: it is dead.
-- Errors: QE001 to QE005, 42501.
create function fail_email(
  consumer text, worker text, email_id integer, error text, retry_in interval default null)
returns timestamptz
language plpgsql security definer set search_path = public, pg_temp
as $$
#variable_conflict use_column
declare
  failed email_queue;
begin
  perform assert_may_act_for(fail_email.consumer);
  perform assert_is_worker(fail_email.worker);
  if retry_in < interval '0' or retry_in > interval '30 days' then
    raise exception using
      errcode = 'QE005',
      message = 'retry_in is invalid.',
      hint = 'Use zero to 30 days, or null.';
  end if;
  update email_queue q
  set state = state_after(q.failure_count + 1),
      failure_count = q.failure_count + 1,
      due_at = clock_timestamp() + case
        when state_after(q.failure_count + 1) = 'dead' then interval '0'
        else coalesce(retry_in, interval '1 minute' * power(5, least(q.failure_count, 3)))
      end,
      worker = null,
      error = left(coalesce(nullif(btrim(fail_email.error), ''), 'The worker gave no error.'), 4000)
  where q.consumer = fail_email.consumer
    and q.email_id = fail_email.email_id
    and q.worker = fail_email.worker
  returning q.* into failed;
  if not found then
    perform raise_no_claim(fail_email.consumer, fail_email.worker, fail_email.email_id);
  end if;
  return case failed.state when 'dead' then null else failed.due_at end;
end
$$;

-- Gives a claim back, for example when the worker shuts down: nothing is charged, and the email can be claimed at once.
-- Errors: QE001 to QE005, 42501.
create function release_email(consumer text, worker text, email_id integer) returns void
language plpgsql security definer set search_path = public, pg_temp
as $$
#variable_conflict use_column
begin
  perform assert_may_act_for(release_email.consumer);
  perform assert_is_worker(release_email.worker);
  update email_queue q
  set state = 'waiting',
      due_at = clock_timestamp(),
      worker = null
  where q.consumer = release_email.consumer
    and q.email_id = release_email.email_id
    and q.worker = release_email.worker;
  if not found then
    perform raise_no_claim(release_email.consumer, release_email.worker, release_email.email_id);
  end if;
end
$$;

-- Queues an email again that is dead, waits, or is completed, with no failures. Errors: QE001 a worker has it, QE004, QE005 also when
-- the consumer does not exist, 42501.
create function requeue_email(consumer text, email_id integer) returns void
language plpgsql security definer set search_path = public, pg_temp
as $$
#variable_conflict use_column
declare
  queued email_queue;
begin
  perform assert_may_act_for(requeue_email.consumer);
  perform begin_queueing();
  if not exists (select from consumers c where c.name = requeue_email.consumer) then
    raise exception using
      errcode = 'QE005',
      message = format('No consumer has the name %s.', requeue_email.consumer),
      hint = 'A consumer exists when the deployment names it, or from its first claim.';
  end if;
  perform from incoming_emails e where e.id = requeue_email.email_id for no key update;
  if not found then
    perform raise_no_claim(requeue_email.consumer, '', requeue_email.email_id);
  end if;
  -- The lock waits for a claim that has not committed.
  select q.* into queued
  from email_queue q
  where q.consumer = requeue_email.consumer
    and q.email_id = requeue_email.email_id
  for update;
  if queued.state = 'claimed' and queued.due_at > clock_timestamp() then
    raise exception using
      errcode = 'QE001',
      message = format('The worker %s has claimed the email %s.', queued.worker, requeue_email.email_id),
      hint = 'Wait until the worker ends or its claim expires.';
  end if;
  insert into email_queue (consumer, email_id)
  values (requeue_email.consumer, requeue_email.email_id)
  on conflict (consumer, email_id) do update
  set state = 'waiting',
      queued_at = now(),
      due_at = clock_timestamp(),
      worker = null,
      failure_count = 0,
      error = null;
end
$$;

-- Each consumer with its work. The counts stop at 10,000. In the order of indexes, so that the time does not grow with the queue.
create function consumer_backlogs()
returns table (
  consumer text, is_adding_older boolean, waiting_count integer, claimed_count integer, dead_count integer,
  oldest_queued_at timestamptz)
language sql stable
begin atomic
  select c.name, c.is_adding_older,
         (
           select count(*)::integer
           from (
             select
             from email_queue q
             where q.consumer = c.name
               and q.state = 'waiting'
             order by q.queued_at
             limit 10000
           ) counted
         ),
         (
           select count(*)::integer
           from (
             select
             from email_queue q
             where q.consumer = c.name
               and q.state = 'claimed'
             order by q.due_at
             limit 10000
           ) counted
         ),
         (
           select count(*)::integer
           from (
             select
             from email_queue q
             where q.consumer = c.name
               and q.state = 'dead'
             order by q.email_id
             limit 10000
           ) counted
         ),
         (
           select q.queued_at
           from email_queue q
           where q.consumer = c.name
             and q.state <> 'dead'
           order by q.queued_at
           limit 1
         )
  from consumers c
  order by c.name;
end;

-- Only accounts that `migrate` grants them may call these.
revoke execute on function
  claim_emails(text, text, integer, interval), extend_claim(text, text, integer, interval),
  complete_email(text, text, integer, jsonb), fail_email(text, text, integer, text, interval),
  release_email(text, text, integer), requeue_email(text, integer)
from public;

-- The functions above call these as their owner. A session compiles a plpgsql function once: an account that may call it could
-- compile it with tables and types of its own, and the owner would then run them.
revoke execute on function
  begin_queueing(), await_stores(), try_lock_consumer(text), prepare_consumer(text), raise_no_claim(text, text, integer),
  assert_is_read_committed(), assert_may_act_for(text), assert_is_worker(text), assert_is_lease(interval), state_after(integer)
from public;

-- A trigger fires without this privilege. With it, an account could attach the function to a table of its own, and change the
-- tables of the owner.
revoke execute on function
  count_ledger(), begin_queueing_processed(), queue_stored_email(), queue_unprocessed_email(), set_processed()
from public;
