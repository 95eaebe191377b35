-- `status` finds the runs that never ended, of 10,000 mailboxes in one statement. Few rows: a run that ends leaves the index.
create index idx_ingest_runs_unended on ingest_runs (mailbox_id, started_at) where outcome is null;
