/**
 * Tells when an email can be seen by another session: a trigger in the bench's own database notifies, PostgreSQL
 * hands that over once the row is committed. More exact than polling, whose step would be the error, and whose
 * queries would take processor time from what is measured.
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
  /** To be called before the email can be stored. Resolves with the time of `performance.now()` at which it was seen. */
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
