/**
 * The database privileges of each deployed function and of the next phase: one account per part, with only the tables that it
 * needs. Called by `migrate`, after the tables exist.
 * Invariant: an account has no privilege that is not listed here, not even one that an earlier version granted.
 */
import { hash } from 'node:crypto';
import type { AccountPart, DatabaseAccount } from '../../db-accounts.ts';
import { AppError } from '../../errors.ts';
import type { Queryable } from '../database.ts';

/** By table. A privilege may name columns: `update (processed)`. */
type Privileges = Readonly<Record<string, string>>;

/** The tables that `status` reads; none holds mail. Every function checks `schema_migrations` first. */
const STATE: Privileges = {
  email_ledger: 'select',
  email_monitor_status: 'select',
  email_outbox: 'select',
  incidents: 'select',
  ingest_runs: 'select',
  ledger_changes: 'select',
  list_jobs: 'select',
  mailbox_confirmations: 'select',
  mailbox_quota: 'select',
  mailbox_watches: 'select',
  mailboxes: 'select',
  reconciliations: 'select',
  schema_migrations: 'select',
};

/** `start` and `stop`: the `is_running` flag, the watch, the label, and a mailbox that the database does not know yet. */
const CONTROL: Privileges = {
  ...STATE,
  // When the label changed, `start` makes messages pending that the former label excluded.
  email_ledger: 'select, update',
  email_monitor_status: 'select, update',
  list_jobs: 'select, insert, update',
  mailbox_confirmations: 'select, insert, update, delete',
  mailbox_quota: 'select, insert, update',
  mailbox_watches: 'select, insert, update',
  mailboxes: 'select, insert, update',
};

/**
 * A run inserts emails and never changes them. It deletes only old rows, the outbox rows of published emails, and the ids of
 * evaluated reconciliations.
 */
const INGEST: Privileges = {
  ...CONTROL,
  email_attachments: 'select, insert',
  email_ledger: 'select, insert, update',
  email_outbox: 'select, insert, delete',
  email_raw: 'select, insert',
  email_search: 'select, insert',
  incidents: 'select, insert, update, delete',
  incoming_emails: 'select, insert',
  ingest_runs: 'select, insert, update, delete',
  ledger_changes: 'select, insert, update, delete',
  list_jobs: 'select, insert, update, delete',
  reconciliation_ids: 'select, insert, update, delete',
  reconciliations: 'select, insert, update, delete',
};

/** The next phase reads complete emails and marks them as processed. */
const CONSUMER: Privileges = {
  email_attachments: 'select',
  email_raw: 'select',
  incoming_emails: 'select, update (processed, updated_at)',
};

export const GRANTS: Readonly<Record<AccountPart, Privileges>> = {
  // Deletes old records of who read which email.
  ingest: { ...INGEST, email_accesses: 'select, delete' },
  control: CONTROL,
  // Adds records of who read which email, and can neither change nor delete them.
  console: { ...INGEST, email_accesses: 'select, insert' },
  status: STATE,
  consumer: CONSUMER,
};

/** Identifies what `grantAll` grants to these accounts. It changes with the accounts and with the privileges of this code. */
export function grantsVersion(accounts: readonly DatabaseAccount[]): string {
  return `grants ${hash('sha256', JSON.stringify([accounts, GRANTS]), 'hex').slice(0, 16)}`;
}

/**
 * Grants each account the privileges of its part and no others, and records their version as the comment of
 * `schema_migrations`. It runs in the caller's transaction, so that no account loses its privileges in between. May run any
 * number of times.
 *
 * @param tx of the account that owns the tables
 * @throws {AppError} database_denied when an account does not exist, or another account owns the tables;
 *   database_unavailable
 */
export async function grantAll(tx: Queryable, accounts: readonly DatabaseAccount[]): Promise<void> {
  await assertExist(tx, accounts);
  for (const account of await removedConsumers(tx, accounts))
    await tx.query(`revoke all on all tables in schema public from ${quoted(account)}`);
  for (const account of new Set(accounts.map((one) => one.account))) {
    const name = quoted(account);
    await tx.query(`revoke all on all tables in schema public from ${name}`);
    await tx.query(`grant usage on schema public to ${name}`);
  }
  for (const { part, account } of accounts) {
    for (const [table, privileges] of Object.entries(GRANTS[part]))
      await tx.query(`grant ${privileges} on ${table} to ${quoted(account)}`);
  }
  await tx.query(`comment on table schema_migrations is '${grantsVersion(accounts)}'`);
}

/**
 * Consumers that an earlier call granted and that are no longer listed. Only a consumer has a privilege on this column alone,
 * so accounts with manual grants are not included.
 */
async function removedConsumers(tx: Queryable, accounts: readonly DatabaseAccount[]): Promise<string[]> {
  const { rows } = await tx.query<{ account: string }>(
    `select distinct r.rolname::text as account
     from pg_attribute c
     cross join lateral aclexplode(c.attacl) acl
     join pg_roles r on r.oid = acl.grantee
     where c.attrelid = 'incoming_emails'::regclass
       and c.attname = 'processed'
       and r.rolname <> all ($1::text[])`,
    [accounts.map((one) => one.account)],
  );
  return rows.map((row) => row.account);
}

async function assertExist(tx: Queryable, accounts: readonly DatabaseAccount[]): Promise<void> {
  const { rows } = await tx.query<{ account: string }>(
    `select a.account
     from unnest($1::text[]) a (account)
     where not exists (select 1 from pg_roles r where r.rolname = a.account)`,
    [accounts.map((one) => one.account)],
  );
  if (rows.length === 0) return;
  const names = rows.map((row) => row.account).join(', ');
  throw new AppError('database_denied', `DB_ACCOUNTS names users that the database does not have: ${names}.`);
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
