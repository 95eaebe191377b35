-- Large attachments and raw emails may be in a bucket of Cloud Storage instead of a row: either the bytes or the name of the object
-- is set. Objects are named by SHA-256, so several rows may refer to one.
alter table email_attachments
  alter column file_data drop not null,
  add column bucket_object text,
  add constraint email_attachments_bytes_check check (num_nonnulls(file_data, bucket_object) = 1);

alter table email_raw
  alter column data drop not null,
  add column bucket_object text,
  -- Size of the compressed bytes in the bucket.
  add column bucket_bytes integer,
  add constraint email_raw_bytes_check
    check (num_nonnulls(data, bucket_object) = 1 and num_nonnulls(data, bucket_bytes) = 1);

create index idx_email_attachments_bucket_object on email_attachments (bucket_object)
where bucket_object is not null;

create index idx_email_raw_bucket_object on email_raw (bucket_object)
where bucket_object is not null;

-- Objects that may have no row: one row per upload, committed before it begins and deleted by the commit that refers to the object,
-- and one per row that stopped referring to its object. The collection deletes the objects to which no row refers. Rows are only
-- added and deleted, so that no store waits for another one.
create table bucket_objects (
  id bigint generated always as identity primary key,
  name text not null,
  -- When the upload was announced; -infinity when a row stopped referring to the object.
  reserved_at timestamptz not null default now(),
  -- Shows how long an object waits for the collection.
  added_at timestamptz not null default now()
);

create index idx_bucket_objects_name on bucket_objects (name);
create index idx_bucket_objects_reserved_at on bucket_objects (reserved_at);

create function is_bucket_object_referenced(object_name text) returns boolean
language sql stable
begin atomic
  select exists (select from email_attachments a where a.bucket_object = object_name)
    or exists (select from email_raw r where r.bucket_object = object_name);
end;

-- Reads one index entry. A day is far longer than any run, so a store whose row is that old has ended.
create function has_old_bucket_objects() returns boolean
language sql stable
begin atomic
  select coalesce((
    select o.reserved_at < now() - interval '1 day'
    from bucket_objects o
    order by o.reserved_at
    limit 1
  ), false);
end;

-- It runs as the owner, so that every account that deletes rows announces their objects.
create function announce_bucket_object() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
  insert into bucket_objects (name, reserved_at)
  values (old.bucket_object, '-infinity');
  return null;
end
$$;

revoke execute on function announce_bucket_object() from public;

create trigger email_attachments_object_released
after delete on email_attachments
for each row when (old.bucket_object is not null)
execute function announce_bucket_object();

create trigger email_attachments_object_replaced
after update of bucket_object on email_attachments
for each row when (old.bucket_object is not null and old.bucket_object is distinct from new.bucket_object)
execute function announce_bucket_object();

create trigger email_raw_object_released
after delete on email_raw
for each row when (old.bucket_object is not null)
execute function announce_bucket_object();

create trigger email_raw_object_replaced
after update of bucket_object on email_raw
for each row when (old.bucket_object is not null and old.bucket_object is distinct from new.bucket_object)
execute function announce_bucket_object();

-- The bytes of an attachment. Errors: QE004 it does not exist, QE007 its bytes are in the bucket.
create or replace function attachment_data(attachment_id integer) returns bytea
language plpgsql stable
as $$
declare
  bytes bytea;
  object_name text;
begin
  select a.file_data, a.bucket_object into bytes, object_name
  from email_attachments a
  where a.id = attachment_data.attachment_id;
  if not found then
    raise exception using
      errcode = 'QE004',
      message = format('No attachment has the id %s.', coalesce(attachment_id::text, 'null')),
      hint = 'Its email was erased, or `npm run reprocess` removed it.';
  end if;
  if object_name is not null then
    raise exception using
      errcode = 'QE007',
      message = format('The bytes of attachment %s are in the bucket, in the object %s.', attachment_id, object_name),
      hint = 'Call the function attachmentUrl with this id: it answers with a URL from which the bytes can be downloaded.';
  end if;
  return bytes;
end
$$;
