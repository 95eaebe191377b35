/**
 * What each deployed function may do in the database, and the next phase with it: one account a part, its tables and
 * no more. Called by who migrates, after the tables stand.
 * What must stay true: what is not named here is refused, also what an earlier version had granted.
 */
import type { AccountPart, DatabaseAccount } from '../db-accounts.ts';
import { AppError } from '../errors.ts';
import type { Queryable } from './database.ts';

/** By table. A privilege may name columns: `update (processed)`. */
type Privileges = Readonly<Record<string, string>>;

/** Where it is, without a word of mail: what `status` reads. */
const STATE: Privileges = {
  email_ledger: 'select',
  email_monitor_status: 'select',
  incidents: 'select',
  ingest_runs: 'select',
  ledger_changes: 'select',
  listings: 'select',
  mailboxes: 'select',
};

/** The switch, and the watch with it, which may meet a mailbox for the first time. */
const SWITCH: Privileges = {
  ...STATE,
  email_monitor_status: 'select, update',
  listings: 'select, insert, update',
  mailboxes: 'select, insert, update',
};

/** A cycle. Emails are written once and never changed by it. */
const INGEST: Privileges = {
  ...SWITCH,
  email_attachments: 'select, insert',
  email_ledger: 'select, insert, update',
  email_raw: 'select, insert',
  incidents: 'select, insert, update',
  incoming_emails: 'select, insert',
  ingest_runs: 'select, insert, update, delete',
  ledger_changes: 'select, insert, update, delete',
};

/** The next phase reads what is complete and says what it has done. */
const CONSUMER: Privileges = {
  email_attachments: 'select',
  email_raw: 'select',
  incoming_emails: 'select, update (processed, updated_at)',
};

export const GRANTS: Readonly<Record<AccountPart, Privileges>> = {
  poll: INGEST,
  'gmail-push': INGEST,
  'poll-now': INGEST,
  console: INGEST,
  start: SWITCH,
  stop: SWITCH,
  status: STATE,
  consumer: CONSUMER,
};

/**
 * Makes the privileges of each account those of its part, in the transaction that it is given: nobody is without them
 * in between. May run any number of times.
 *
 * @param tx on an account that owns the tables
 * @throws {AppError} database_denied when an account is not there, or the tables are another's; database_unavailable
 */
export async function grantAll(tx: Queryable, accounts: readonly DatabaseAccount[]): Promise<void> {
  await assertThere(tx, accounts);
  for (const account of new Set(accounts.map((one) => one.account))) {
    const name = quoted(account);
    await tx.query(`revoke all on all tables in schema public from ${name}`);
    await tx.query(`grant usage on schema public to ${name}`);
  }
  for (const { part, account } of accounts) {
    for (const [table, privileges] of Object.entries(GRANTS[part]))
      await tx.query(`grant ${privileges} on ${table} to ${quoted(account)}`);
  }
}

async function assertThere(tx: Queryable, accounts: readonly DatabaseAccount[]): Promise<void> {
  const { rows } = await tx.query<{ account: string }>(
    `select a.account
     from unnest($1::text[]) a (account)
     where not exists (select 1 from pg_roles r where r.rolname = a.account)`,
    [accounts.map((one) => one.account)],
  );
  if (rows.length === 0) return;
  const names = rows.map((row) => row.account).join(', ');
  throw new AppError('database_denied', `DB_ACCOUNTS names what is no user of the database: ${names}.`);
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
