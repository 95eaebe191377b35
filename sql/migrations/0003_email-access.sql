-- Who read which email. Rows outlive the email: there is no foreign key.
create table email_accesses (
  id bigint generated always as identity primary key,
  accessed_at timestamptz not null default now(),
  -- The email address of the caller's identity token; `unknown` without one; `local` on a developer's machine.
  account text not null,
  email_id integer not null,
  action text not null check (action in ('open', 'html', 'raw', 'attachment')),
  -- Set for the action `attachment`.
  attachment_id integer
);

create index idx_email_accesses_email_id on email_accesses (email_id);

-- Rows exceed their retention of a year by a day. The row with the lowest id is the oldest.
create function has_old_email_accesses() returns boolean
language sql stable
begin atomic
  select coalesce((
    select a.accessed_at < now() - interval '366 days'
    from email_accesses a
    order by a.id
    limit 1
  ), false);
end;
