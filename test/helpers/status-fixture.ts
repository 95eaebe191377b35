/** A database with the rows that `status` reads, for tests of status and control. There is no Gmail. */
import { type Environment, readConfig } from '../../shared/config.ts';
import { createAppContext } from '../../shared/control/app-context.ts';
import { createMonitor } from '../../shared/control/monitor.ts';
import { readStatus } from '../../shared/control/status/status-response.ts';
import { credentialFingerprint } from '../../shared/credentials.ts';
import { setRunning } from '../../shared/db/monitor-status.ts';
import type { StatusJson } from '../../shared/schemas/status.ts';
import { checkResponse } from './check-response.ts';
import { createTestDatabase, type TestDatabase } from './test-database.ts';

export const CREDENTIALS = {
  GMAIL_CLIENT_ID: 'id',
  GMAIL_CLIENT_SECRET: 'secret',
  GMAIL_REFRESH_TOKEN: 'token',
} as const;

export interface StatusFixture {
  readonly db: TestDatabase;
  /** The environment of an instance with credentials. */
  readonly env: Environment;
  /** The response as a client receives it, checked against its schema. */
  status(env?: Environment, address?: string): Promise<StatusJson>;
  /** Inserts a mailbox of CREDENTIALS, which is `watching` unless `columns` changes that. @returns its id */
  mailbox(columns?: Readonly<Record<string, unknown>>): Promise<number>;
  /** The same for a mailbox that an operator added, with delegation. @returns its id */
  addedMailbox(columns: Readonly<Record<string, unknown>>, isPaused?: boolean): Promise<number>;
  /** Inserts ledger rows. `columns` maps column names to SQL expressions, as in `{ state: "'dead'" }`. */
  messages(mailboxId: number, count: number, columns: Readonly<Record<string, string>>): Promise<void>;
  /** Starts the monitor, back-dated by an hour. */
  turnOn(): Promise<void>;
  close(): Promise<void>;
}

export async function statusFixture(): Promise<StatusFixture> {
  const db = await createTestDatabase();
  const env = { DATABASE_URL: db.url, ...CREDENTIALS };
  const contexts: ReturnType<typeof createAppContext>[] = [];
  const mailbox: StatusFixture['mailbox'] = async (columns = {}) => {
    const { gmail } = readConfig(env);
    const all: Record<string, unknown> = {
      email_address: 'orders@example.com',
      credential_fingerprint: gmail === null ? null : credentialFingerprint(gmail),
      cursor_history_id: '100',
      created_at: new Date(Date.now() - 3_600_000),
      last_run_at: new Date(),
      last_success_at: new Date(),
      ...columns,
    };
    const names = Object.keys(all);
    const { rows } = await db.query<{ id: number }>(
      `insert into mailboxes (${names.join(', ')})
       values (${names.map((_, at) => `$${at + 1}`).join(', ')})
       returning id`,
      Object.values(all),
    );
    return rows[0]?.id ?? 0;
  };
  return {
    db,
    env,
    status: async (more = {}, address) => {
      const context = createAppContext({ ...env, ...more }, () => undefined);
      contexts.push(context);
      const json = JSON.parse(JSON.stringify(await readStatus(createMonitor(context), address)));
      checkResponse({ target: 'status' }, { json, status: 200 });
      return json;
    },
    mailbox,
    addedMailbox: async (columns, isPaused = false) => {
      const id = await mailbox({ credential_fingerprint: null, ...columns });
      await db.query(
        `insert into mailbox_settings (email_address, mailbox_id, access, is_paused)
         select email_address, id, 'delegation', $2::boolean
         from mailboxes
         where id = $1::integer`,
        [id, isPaused],
      );
      return id;
    },
    messages: async (mailboxId, count, columns) => {
      const names = Object.keys(columns);
      await db.query(
        `insert into email_ledger (mailbox_id, gmail_message_id, source, ${names.join(', ')})
         select $1::integer, md5(random()::text), 'history', ${Object.values(columns).join(', ')}
         from generate_series(1, $2::integer)`,
        [mailboxId, count],
      );
    },
    turnOn: async () => {
      await setRunning(db, true);
      await db.query(
        "update email_monitor_status set started_at = now() - interval '1 hour', updated_at = now() - interval '1 hour'",
      );
    },
    close: async () => {
      await Promise.all(contexts.map(async (context) => await context.db.close()));
      await db.close();
    },
  };
}
