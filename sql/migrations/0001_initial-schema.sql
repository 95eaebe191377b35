-- The initial schema. Migrations are forward only; sql/schema.sql is the schema that results from them.
--
-- The hand-over note defines incoming_emails, email_attachments and email_monitor_status. The other tables hold the
-- mailbox with its cursor and lease, the ledger of Gmail message ids, and the records of runs, reconciliations and
-- incidents. Gmail history ids are uint64: numeric(20, 0) here, decimal strings in TypeScript.

-- One Gmail mailbox: identity, cursor, hint, lease and backoff.
-- Invariant: a transaction locks this row only in one short statement at its end, because lease heartbeats and pushes
-- update it.
create table mailboxes (
  id integer generated always as identity primary key,
  email_address text not null unique,
  -- SHA-256 of client id and refresh token; null when no known credentials reach this mailbox.
  credential_fingerprint text unique,
  created_at timestamptz not null default now(),

  -- All history up to the cursor is in the ledger, and no later listing shows a further record up to it.
  cursor_history_id numeric(20, 0) not null,
  -- The history id of a Gmail answer, and the time of the answer. A listing that begins at least the settle time later
  -- moves the cursor up to it.
  unconfirmed_history_id numeric(20, 0),
  unconfirmed_at timestamptz,
  -- Gmail's current history id at the end of the last complete listing, and the newest record of any listing.
  listed_history_id numeric(20, 0),
  shown_history_id numeric(20, 0),

  -- The newest history id that a push announced, and when it was first announced.
  hint_history_id numeric(20, 0),
  hint_at timestamptz,
  -- The time of the last push, even of one that announced an older history id.
  pushed_at timestamptz,

  lease_token uuid,
  lease_holder text,
  lease_expires_at timestamptz,

  -- Consecutive failed runs. Above 0, next_poll_at is the end of the backoff.
  failure_count integer not null default 0,
  -- Null: due now.
  next_poll_at timestamptz,
  last_run_at timestamptz,
  -- When the last run ended, successfully or not. Runs that began since then are active or were killed.
  last_run_ended_at timestamptz,
  last_success_at timestamptz,
  last_error_code text,
  last_error text,

  -- GMAIL_LABEL_ID as configured when it was last resolved, and the label id that it names. label_id is null while Gmail
  -- has no such label or none is configured.
  label_setting text,
  label_id text,
  -- Messages that were ignored under another label become pending again in batches, up to this ledger id so far; null when
  -- none are left.
  label_reopened_to_id bigint
);

-- An operator's confirmation about an account that the database does not know: a new mailbox, or the new address of a
-- known one.
create table mailbox_confirmations (
  email_address text primary key,
  -- Null: a new mailbox.
  renamed_from text,
  confirmed_at timestamptz not null default now(),
  -- When an account was bound to the address, which ends the confirmation.
  applied_at timestamptz
);

-- The quota of a mailbox: a token bucket that all instances share.
create table mailbox_quota (
  mailbox_id integer primary key references mailboxes (id) on delete cascade,
  -- Units that can be reserved, as of refilled_at.
  available_units double precision not null,
  refilled_at timestamptz not null default clock_timestamp(),
  -- No units are reserved until then: Gmail rate-limited a call, or the one call after a pause has not succeeded yet.
  -- pause_seconds is the length of the last pause, 0 once a call has succeeded.
  paused_until timestamptz,
  pause_seconds integer not null default 0
);

-- Capacity of the bucket of a mailbox: a minute's budget minus one second of refill, because Gmail may count a call up to a
-- second after its units were reserved.
create function quota_capacity(units_per_minute integer) returns double precision
language sql immutable parallel safe
return units_per_minute * 59 / 60.0::double precision;

-- Units that can be reserved at the given time. Negative after a call that costs more than the capacity. If the system time
-- goes back, nothing refills.
create function refilled_units(q mailbox_quota, units_per_minute integer, at timestamptz) returns double precision
language sql immutable parallel safe
return least(
  quota_capacity(units_per_minute),
  (q).available_units
  + greatest(0, extract(epoch from at - (q).refilled_at)::double precision) * units_per_minute / 60.0::double precision);

-- Reserved units that have not refilled yet, for display.
create function units_in_use(q mailbox_quota, units_per_minute integer) returns integer
language sql stable parallel safe
return round(quota_capacity(units_per_minute) - refilled_units(q, units_per_minute, now()))::integer;

-- The push watch of a mailbox: how long Gmail publishes, or why it does not.
create table mailbox_watches (
  mailbox_id integer primary key references mailboxes (id) on delete cascade,
  topic text,
  registered_at timestamptz,
  expires_at timestamptz,
  -- The credentials that registered it. Other credentials must register it again.
  credential_fingerprint text,
  next_attempt_at timestamptz,
  error_code text,
  error text,
  -- Consecutive scheduled runs that stored mail more than 60 s old, and when the first of them began.
  late_run_count integer not null default 0,
  late_since timestamptz
);

-- One row per Gmail message id that was ever seen in the mailbox.
create table email_ledger (
  id bigint generated always as identity primary key,
  mailbox_id integer not null references mailboxes (id),
  gmail_message_id text not null,
  state text not null default 'pending'
    check (state in ('pending', 'stored', 'gone', 'ignored', 'dead')),
  -- 0 live mail, 1 backlog. Live mail is fetched first.
  priority smallint not null default 0,
  source text not null
    check (source in ('history', 'newest', 'initial', 'backfill', 'gap', 'reconciliation')),
  -- The history record that announced the message; null when only a listing has shown it.
  history_id numeric(20, 0),
  -- The labels on arrival are unknown, so the rules are applied to the fetched message.
  labels_unknown boolean not null default false,
  -- The label of the listing that found the message. It had the label then, even if it has lost it when it is fetched.
  listed_label_id text,
  ignored_rule text check ((state = 'ignored') = (ignored_rule is not null)),

  -- Failures charged to the message.
  attempt_count integer not null default 0,
  -- When the last attempt ended; null before the first attempt.
  last_attempt_at timestamptz,
  -- Null when no further attempt is planned.
  next_attempt_at timestamptz default now(),
  -- The lease token of the run that is fetching it; null when no run is.
  claim_token uuid,
  -- A run ended without ending its claim, so the message may have crashed the process and is fetched alone.
  is_crash_suspect boolean not null default false,
  -- Processes that ended while this message was their only open claim.
  crash_count integer not null default 0,
  error_code text,
  error_detail text,

  discovered_at timestamptz not null default now(),
  -- When the state became final.
  resolved_at timestamptz,
  -- When an operator gave up a dead message, which then no longer counts as failing.
  given_up_at timestamptz,
  unique (mailbox_id, gmail_message_id)
);

-- Pending messages by priority and age, for counts and status.
create index idx_email_ledger_pending on email_ledger (mailbox_id, priority, discovered_at)
  where state = 'pending';
-- Messages that were never tried, for claims: half newest first, half in random order.
create index idx_email_ledger_untried on email_ledger (mailbox_id, priority, id)
  where state = 'pending' and last_attempt_at is null and claim_token is null and not is_crash_suspect;
-- Failed messages that are retried, including dead ones.
create index idx_email_ledger_retry on email_ledger (mailbox_id, next_attempt_at)
  where state in ('pending', 'dead') and last_attempt_at is not null;
-- Messages that fail now, for counts and status. The condition is on error_code, because few rows have one: the planner
-- knows that the index is small. last_attempt_at would not show this, because every stored message has one.
create index idx_email_ledger_failing on email_ledger (mailbox_id) where state = 'pending' and error_code is not null;
create index idx_email_ledger_claimed on email_ledger (mailbox_id)
  where claim_token is not null or is_crash_suspect;
create index idx_email_ledger_dead on email_ledger (mailbox_id) where state = 'dead';

create table incoming_emails (
  id integer generated always as identity primary key,
  mailbox_id integer not null references mailboxes (id),
  gmail_message_id text not null,
  gmail_thread_id text,
  label_ids text[] not null default '{}',
  -- The Message-ID header. Not an identity, because senders reuse it.
  rfc822_message_id text,
  sender text,
  sender_address text,
  recipients jsonb not null default '{}',
  subject text,
  body_text text,
  body_html text,
  -- When Gmail accepted the message (internalDate). sent_at comes from the sender's Date header.
  received_at timestamptz not null,
  sent_at timestamptz,
  size_bytes integer not null,
  attachment_count integer not null,
  -- Defects of the message that the parser worked around; empty when it has none.
  defects text[] not null default '{}',
  parser_version integer not null,
  processed boolean not null default false,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

create unique index idx_incoming_emails_gmail_id on incoming_emails (gmail_message_id, mailbox_id);
create index idx_incoming_emails_processed on incoming_emails (id) where processed = false;
create index idx_incoming_emails_received_at on incoming_emails (mailbox_id, received_at);

create table email_attachments (
  id integer generated always as identity primary key,
  email_id integer not null references incoming_emails (id) on delete cascade,
  -- The position of the part in the MIME tree.
  part_path text not null,
  filename text not null,
  -- As declared. detected_content_type is sniffed from the bytes; null when the format has no signature.
  content_type text not null,
  detected_content_type text,
  content_id text,
  is_inline boolean not null default false,
  file_data bytea not null,
  file_size_bytes integer not null check (file_size_bytes = octet_length(file_data)),
  sha256 text not null check (sha256 ~ '^[0-9a-f]{64}$'),
  created_at timestamptz not null default now(),
  unique (email_id, part_path)
);

-- Attachments and raw emails are compressed already, so the database does not compress them again.
alter table email_attachments alter column file_data set storage external;

create index idx_email_attachments_email_id on email_attachments (email_id);

-- The exact bytes that Gmail returned. All parsed columns can be rebuilt from them.
create table email_raw (
  email_id integer primary key references incoming_emails (id) on delete cascade,
  encoding text not null check (encoding in ('gzip')),
  data bytea not null,
  -- Of the uncompressed bytes.
  size_bytes integer not null,
  sha256 text not null check (sha256 ~ '^[0-9a-f]{64}$')
);

alter table email_raw alter column data set storage external;

-- The words of an email, for search. A separate table, so that a change of incoming_emails.processed does not rewrite the
-- index.
create table email_search (
  email_id integer primary key references incoming_emails (id) on delete cascade,
  search_words tsvector not null
);

-- Every search reads the whole pending list of the index, so the list is limited to half a megabyte.
create index idx_email_search_words on email_search using gin (search_words)
  with (fastupdate = on, gin_pending_list_limit = 512);

-- The is_running flag and the counters of the hand-over note; one row, id = 1.
create table email_monitor_status (
  id integer primary key default 1 check (id = 1),
  is_running boolean not null default false,
  last_poll_at timestamptz,
  last_error text,
  last_error_code text,
  -- Emails stored since the first start, not emails that a later phase has processed.
  emails_processed_total integer not null default 0,
  updated_at timestamptz not null default now()
);

insert into email_monitor_status (id) values (1);

-- A resumable enumeration of messages.list: the first start, a backfill, the gap of an expired history.
create table list_jobs (
  id integer generated always as identity primary key,
  mailbox_id integer not null references mailboxes (id),
  purpose text not null check (purpose in ('initial', 'backfill', 'gap')),
  query text not null,
  include_spam_trash boolean not null default false,
  page_token text,
  listed_count integer not null default 0,
  new_count integer not null default 0,
  -- How often it restarted because Gmail rejected its page token.
  restart_count integer not null default 0,
  -- Why Gmail rejected the listing. A finished job ended with this error; an open one waits until not_before.
  error_code text,
  error_detail text,
  created_at timestamptz not null default now(),
  -- The first listing and a gap listing run twice, because Gmail's search lags. The second one begins at this time.
  not_before timestamptz not null default now(),
  finished_at timestamptz
);

create index idx_list_jobs_open on list_jobs (mailbox_id, id) where finished_at is null;
create index idx_list_jobs_finished on list_jobs (finished_at) where finished_at is not null;
-- A repeated request for a backfill continues the open one.
create unique index idx_list_jobs_open_backfill on list_jobs (mailbox_id, md5(query))
  where purpose = 'backfill' and finished_at is null;

-- One comparison of Gmail's listing with what is stored: gmail = stored + pending + failed + ignored + gone + missing.
create table reconciliations (
  id bigint generated always as identity primary key,
  mailbox_id integer not null references mailboxes (id),
  window_begins_at timestamptz not null,
  -- The window covers all time since the first start of the mailbox.
  is_full boolean not null,
  query text not null,
  page_token text,
  restart_count integer not null default 0,
  error_code text,
  error_detail text,
  started_at timestamptz not null default now(),
  not_before timestamptz not null default now(),
  -- When the last page was entered, and when the ids were evaluated.
  listed_at timestamptz,
  evaluated_at timestamptz,
  -- The ids are counted in slices, in the order of the ids. These are the last counted id and the counts so far; null
  -- before the first slice.
  evaluated_to text,
  gmail_count integer,
  stored_count integer,
  pending_count integer,
  failed_count integer,
  ignored_count integer,
  gone_count integer,
  missing_count integer,
  -- Some of the missing ids, for the incident.
  missing_ids text[] not null default '{}'
);

create unique index idx_reconciliations_open on reconciliations (mailbox_id) where evaluated_at is null;
create index idx_reconciliations_started_at on reconciliations (mailbox_id, started_at);
create index idx_reconciliations_evaluated_at on reconciliations (mailbox_id, evaluated_at)
  where evaluated_at is not null;

-- The ids that an open reconciliation has listed; deleted in batches once it is evaluated.
create table reconciliation_ids (
  reconciliation_id bigint not null references reconciliations (id) on delete cascade,
  gmail_message_id text not null,
  -- The ledger had the id when it was first listed.
  was_known boolean not null,
  primary key (reconciliation_id, gmail_message_id)
);

create index idx_reconciliation_ids_unknown on reconciliation_ids (reconciliation_id) where not was_known;

-- One row per run, inserted at its start. A run without an outcome is active or was killed.
create table ingest_runs (
  id bigint generated always as identity primary key,
  mailbox_id integer references mailboxes (id),
  trigger text not null check (trigger in ('schedule', 'push', 'manual')),
  outcome text,
  started_at timestamptz not null default now(),
  finished_at timestamptz,
  duration_ms integer,
  discovered_count integer not null default 0,
  stored_count integer not null default 0,
  gone_count integer not null default 0,
  ignored_count integer not null default 0,
  failed_count integer not null default 0,
  dead_count integer not null default 0,
  quota_units integer not null default 0,
  rate_limited_count integer not null default 0,
  -- The longest time from Gmail's acceptance of a live email to its commit; null when the run stored none.
  arrival_to_stored_max_ms integer,
  cursor_before numeric(20, 0),
  cursor_after numeric(20, 0),
  error_code text
);

create index idx_ingest_runs_started_at on ingest_runs (started_at);

-- Problems that an operator may look up later, and how each one ended.
create table incidents (
  id bigint generated always as identity primary key,
  mailbox_id integer not null references mailboxes (id),
  kind text not null,
  opened_at timestamptz not null default now(),
  closed_at timestamptz,
  detail jsonb not null default '{}'
);

create index idx_incidents_open on incidents (mailbox_id) where closed_at is null;

-- The number of ledger rows in each state is the sum of the changes. Writers only insert rows, so that they never wait for
-- each other; runs compact them. Triggers insert the rows, so that the sums are right for every writer.
create table ledger_changes (
  -- Not a foreign key: checking it would lock the mailbox row in every store.
  mailbox_id integer not null,
  state text not null,
  change integer not null
);

-- Security definer, so that an account that writes the ledger needs no privilege to insert its counts.
create function count_ledger() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
  case tg_op
    when 'INSERT' then
      insert into ledger_changes (mailbox_id, state, change)
      select mailbox_id, state, count(*)
      from added
      group by mailbox_id, state;
    when 'UPDATE' then
      insert into ledger_changes (mailbox_id, state, change)
      values (old.mailbox_id, old.state, -1), (new.mailbox_id, new.state, 1);
    when 'DELETE' then
      insert into ledger_changes (mailbox_id, state, change)
      select mailbox_id, state, -count(*)
      from removed
      group by mailbox_id, state;
    when 'TRUNCATE' then
      -- Not by delete: it would not see the sums of a concurrent run that adds up.
      truncate ledger_changes;
  end case;
  return null;
end
$$;

create trigger count_added after insert on email_ledger
  referencing new table as added for each statement execute function count_ledger();
-- Only for rows whose state changes: most updates are attempts, which do not change it.
create trigger count_moved after update on email_ledger
  for each row when ((old.state, old.mailbox_id) is distinct from (new.state, new.mailbox_id))
  execute function count_ledger();
create trigger count_removed after delete on email_ledger
  referencing old table as removed for each statement execute function count_ledger();
create trigger count_emptied after truncate on email_ledger
  for each statement execute function count_ledger();

-- The words of a text. Punctuation separates words, so that `4711` finds `order-4711.pdf`. Lower case uses its own
-- collation, because that of the database may know only ASCII. With UTF-8, wide and composed letters become plain ones. The
-- text is truncated, because a tsvector holds at most a megabyte and no subject may prevent an email from being stored.
do $do$
begin
  execute format(
    $sql$
    create function email_words(text) returns tsvector
    language sql immutable parallel safe strict
    return strip(to_tsvector(
      'simple'::regconfig,
      translate(
        lower(left(%s, 30000) collate %I),
        '!"#$%%&''()*+,-./:;<=>?@[\]^_`{|}~', repeat(' ', 32))))
    $sql$,
    case getdatabaseencoding() when 'UTF8' then 'normalize($1, nfkc)' else '$1' end,
    (
      select collname
      from pg_collation
      where collnamespace = 'pg_catalog'::regnamespace
        and (collname = 'default' or getdatabaseencoding() = 'UTF8')
        and collname = any (array['pg_c_utf8', 'und-x-icu', 'C.utf8', 'default'])
      order by array_position(array['pg_c_utf8', 'und-x-icu', 'C.utf8', 'default'], collname::text)
      limit 1
    ));
end
$do$;

-- The words by which a search finds an email. attachment_names: one name per line.
create function email_search_words(sender text, sender_address text, subject text, attachment_names text)
returns tsvector
language sql immutable parallel safe
return email_words(
  left(coalesce(sender, ''), 1000) || ' ' || left(coalesce(sender_address, ''), 1000) || ' '
  || left(coalesce(subject, ''), 4000) || ' ' || left(coalesce(attachment_names, ''), 20000));

-- Expressions that several statements share.

-- The token is the token of the lease, and the lease has not expired. Takes no lock.
create function holds_lease(mailbox_id integer, token uuid) returns boolean
language sql stable
begin atomic
  select exists (
    select 1
    from mailboxes m
    where m.id = $1
      and m.lease_token = $2
      and m.lease_expires_at > now()
  );
end;

-- A push announced history that no complete listing has reached. Gmail can report a history id as current a few seconds
-- before it lists the record, so a fresh hint also waits for the record.
create function has_newer_hint(m mailboxes) returns boolean
language sql stable
return coalesce(m.hint_history_id > coalesce(m.listed_history_id, 0), false)
  or coalesce(
    m.hint_history_id > coalesce(m.shown_history_id, 0) and m.hint_at > clock_timestamp() - interval '10 seconds',
    false);

-- The last run failed, and its backoff is not over.
create function is_backing_off(m mailboxes) returns boolean
language sql stable
return coalesce(m.failure_count > 0 and m.next_poll_at > now(), false);

-- A push announced newer history, and the last run began at least ten seconds ago.
create function may_ignore_backoff(m mailboxes) returns boolean
language sql stable
return has_newer_hint(m) and coalesce(m.last_run_at <= now() - interval '10 seconds', true);

-- A message can be fetched now: it was never tried, or its next attempt is due.
create function has_due_message(mailbox_id integer) returns boolean
language sql stable
begin atomic
  -- `order by ... limit 1` makes the planner use the partial index; for `exists` it may scan the whole ledger.
  select coalesce(
    (
      select l.id
      from email_ledger l
      where l.mailbox_id = $1
        and l.priority = 0
        and l.state = 'pending'
        and l.last_attempt_at is null
        and l.claim_token is null
        and not l.is_crash_suspect
      order by l.id
      limit 1
    ),
    (
      select l.id
      from email_ledger l
      where l.mailbox_id = $1
        and l.priority = 1
        and l.state = 'pending'
        and l.last_attempt_at is null
        and l.claim_token is null
        and not l.is_crash_suspect
      order by l.id
      limit 1
    ),
    (
      select l.id
      from email_ledger l
      where l.mailbox_id = $1
        and (l.claim_token is not null or l.is_crash_suspect)
        and (l.claim_token is not null or l.next_attempt_at <= now())
      limit 1
    ),
    (
      select l.id
      from email_ledger l
      where l.mailbox_id = $1
        and l.state in ('pending', 'dead')
        and l.last_attempt_at is not null
        and l.next_attempt_at <= now()
        and l.given_up_at is null
      order by l.next_attempt_at
      limit 1
    )
  ) is not null;
end;

-- A list job can be continued now.
create function has_due_list_job(mailbox_id integer) returns boolean
language sql stable
begin atomic
  select exists (
    select 1
    from list_jobs j
    where j.mailbox_id = $1
      and j.finished_at is null
      and j.not_before <= now()
  );
end;

-- A scheduled poll is due: the interval or the backoff is over, or, without a backoff, there is other work to do.
create function is_poll_due(m mailboxes) returns boolean
language sql stable
return case
  when m.failure_count > 0 then coalesce(m.next_poll_at <= now(), true)
  else coalesce(m.next_poll_at <= now(), true)
    or has_newer_hint(m)
    or has_due_message(m.id)
    or has_due_list_job(m.id)
end;

-- A reconciliation may begin: none is open or began within the interval, and no listing that it depends on is open. A
-- reconciliation would count mail as missing that an open gap has not found yet, or an open first listing. It does not wait
-- for a first listing that Gmail rejects.
create function is_reconciliation_due(mailbox_id integer, every_seconds integer) returns boolean
language sql stable
begin atomic
  select not exists (
    select 1
    from reconciliations r
    where r.mailbox_id = $1
      and r.evaluated_at is null
  ) and not exists (
    select 1
    from reconciliations r
    where r.mailbox_id = $1
      and r.started_at > now() - $2 * interval '1 second'
  ) and not exists (
    select 1
    from list_jobs j
    where j.mailbox_id = $1
      and j.finished_at is null
      and (j.purpose = 'gap' or j.purpose = 'initial' and j.error_code is null)
  );
end;

-- An open reconciliation can be listed or evaluated now.
create function has_open_reconciliation(mailbox_id integer) returns boolean
language sql stable
begin atomic
  select exists (
    select 1
    from reconciliations r
    where r.mailbox_id = $1
      and r.evaluated_at is null
      and r.not_before <= now()
  );
end;

-- Records exceed their retention by a day: 90 days for reconciliations and list jobs, a year for incidents. Of
-- reconciliations and incidents only the row with the lowest id is checked, because it is the oldest.
create function has_old_records() returns boolean
language sql stable
begin atomic
  select coalesce((
    select r.evaluated_at < now() - interval '91 days'
    from reconciliations r
    where r.evaluated_at is not null
    order by r.id
    limit 1
  ), false) or exists (
    select 1
    from list_jobs j
    where j.finished_at < now() - interval '91 days'
  ) or coalesce((
    select i.closed_at < now() - interval '366 days'
    from incidents i
    where i.closed_at is not null
    order by i.id
    limit 1
  ), false);
end;
-- A watch is registered, but no push arrives: none within two minutes of the registration, when Gmail always sends one; or
-- none while three consecutive scheduled runs found mail that a push should have announced.
create function is_push_silent(w mailbox_watches, m mailboxes) returns boolean
language sql stable
return coalesce(
  w.topic is not null
    and (
      w.registered_at < now() - interval '2 minutes' and coalesce(m.pushed_at < w.registered_at, true)
      or w.late_run_count >= 3 and coalesce(m.pushed_at < w.late_since, true)
    ),
  false);

-- Runs exceed their retention of 90 days by a day. Thus one poll in thirty deletes a batch.
create function has_old_runs() returns boolean
language sql stable
begin atomic
  select exists (
    select 1
    from ingest_runs
    where started_at < now() - interval '91 days'
  );
end;

-- There are enough changes of the ledger counts to compact them. The limit is small, so that `status` sums them up quickly.
create function has_many_ledger_changes() returns boolean
language sql stable
begin atomic
  select (
    select count(*)
    from (select 1 from ledger_changes limit 200) counted
  ) >= 200;
end;
