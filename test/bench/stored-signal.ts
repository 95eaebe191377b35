/**
 * Reports when another session can see an email, and when a worker has claimed it. For the first one, a trigger in the benchmark's database sends a notification, which
 * PostgreSQL delivers after the commit. This is more precise than polling and takes no CPU time for queries.
 */
import pg from 'pg';

/** Not the channel of the product, which wakes workers. */
const CHANNEL = 'bench_stored';

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

/** A worker of the consumer `bench` that claims emails when the product wakes it, and never polls. */
export async function claimOnWakeUp(url: string): Promise<StoredSignal> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const awaited = new Map<string, (atMs: number) => void>();
  const claim = async (): Promise<void> => {
    const { rows } = await client.query(
      "select id, gmail_message_id from claim_emails('bench', 'worker', 10)",
    );
    const claimedMs = performance.now();
    for (const row of rows) {
      awaited.get(row.gmail_message_id)?.(claimedMs);
      awaited.delete(row.gmail_message_id);
      await client.query("select complete_email('bench', 'worker', $1)", [row.id]);
    }
  };
  await claim();
  client.on('notification', () => void claim());
  await client.query('listen email_stored');
  return {
    seen: async (id) => await new Promise<number>((resolve) => awaited.set(id, resolve)),
    close: async () => await client.end(),
  };
}
