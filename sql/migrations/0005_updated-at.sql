-- updated_at follows processed, so that a consumer need not set it: after a restore it shows which emails were processed since.
create function set_updated_at() returns trigger
language plpgsql
as $$
begin
  new.updated_at := now();
  return new;
end
$$;

create trigger incoming_emails_processed
before update of processed on incoming_emails
for each row
when (old.processed is distinct from new.processed)
execute function set_updated_at();
