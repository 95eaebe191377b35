-- The view of one email in the console: it shows files, downloads all of them, and parses the email again.
alter table email_accesses drop constraint email_accesses_action_check;
alter table email_accesses add constraint email_accesses_action_check
  check (action in ('open', 'html', 'raw', 'attachment', 'preview', 'files', 'reprocess'));

-- Lets no worker claim the email until the transaction ends: claim_emails passes over locked rows. False: a worker has claimed it,
-- or is claiming it now. The caller has locked the email. It runs as the owner, so that the console's account can lock rows of the
-- queue without a privilege to change them.
create function lock_unclaimed_email(email_id integer) returns boolean
language plpgsql security definer set search_path = public, pg_temp
as $$
#variable_conflict use_column
declare
  is_free boolean;
begin
  with free as materialized (
    select q.consumer
    from email_queue q
    where q.email_id = lock_unclaimed_email.email_id
      and (q.state <> 'claimed' or q.due_at <= clock_timestamp())
    for update skip locked
  )
  select not exists (
    select
    from email_queue q
    where q.email_id = lock_unclaimed_email.email_id
      and not exists (select from free f where f.consumer = q.consumer)
  )
  into is_free;
  return is_free;
end
$$;

revoke execute on function lock_unclaimed_email(integer) from public;
