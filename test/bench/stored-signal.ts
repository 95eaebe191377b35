/**
 * Reports when another session can see an email: a trigger in the benchmark's database sends a notification, which
 * PostgreSQL delivers after the commit. This is more precise than polling and takes no CPU time for queries.
 */
import pg from 'pg';

const CHANNEL = 'email_stored';

const TRIGGER = `
create function announce_email() returns trigger language plpgsql as $$
begin
  perform pg_notify('${CHANNEL}', new.gmail_message_id);
  return null;
end $$;
create trigger announce_email after insert on incoming_emails
  for each row execute function announce_email()`;

export interface StoredSignal {
  /** Call this before the email can be stored. Resolves with the value of `performance.now()` when it became visible. */
  seen(gmailMessageId: string): Promise<number>;
  close(): Promise<void>;
}

export async function listenForEmails(url: string): Promise<StoredSignal> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(TRIGGER);
  const awaited = new Map<string, (atMs: number) => void>();
  client.on('notification', ({ payload = '' }) => {
    awaited.get(payload)?.(performance.now());
    awaited.delete(payload);
  });
  await client.query(`listen ${CHANNEL}`);
  return {
    seen: async (id) => await new Promise<number>((resolve) => awaited.set(id, resolve)),
    close: async () => await client.end(),
  };
}
