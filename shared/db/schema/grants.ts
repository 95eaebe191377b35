/**
 * Grants the accounts of a deployment the privileges that `privileges.ts` lists. Called by `migrate`, after the tables exist.
 * Invariant: an account has no privilege that is not listed there, not even one that an earlier version granted.
 */
import { hash } from 'node:crypto';
import type { DatabaseAccount } from '../../db-accounts.ts';
import { AppError } from '../../errors.ts';
import type { Queryable } from '../database.ts';
import { privilegesOf, QUEUE_FUNCTIONS } from './privileges.ts';

/** Identifies what `grantAll` writes for these accounts. It changes with the accounts and with the privileges of this code. */
export function grantsVersion(accounts: readonly DatabaseAccount[]): string {
  return `grants ${hash('sha256', JSON.stringify(statementsFor(accounts)), 'hex').slice(0, 16)}`;
}

/**
 * Grants each account the privileges of its part and no others, and each consumer a schema. Former consumers lose everything but
 * their schema and its tables. Records the version as the comment of `schema_migrations`. It runs in the caller's transaction, so
 * that no account loses its privileges in between. May run any number of times.
 *
 * @param tx of the account that owns the tables
 * @throws {AppError} database_denied when an account does not exist, when another account owns the tables,
 *   and when the name of a consumer is that of a user or of a foreign schema; database_unavailable
 */
export async function grantAll(tx: Queryable, accounts: readonly DatabaseAccount[]): Promise<void> {
  const listed = accounts.map((one) => one.account);
  const consumers = accounts.filter((one) => one.part === 'consumer');
  const names = consumers.map((one) => one.consumer);
  await assertNone(tx, UNKNOWN, listed, 'DB_ACCOUNTS names users that the database does not have');
  await assertNone(
    tx,
    TAKEN,
    names,
    'DB_ACCOUNTS must give these consumers other names, which no user and no foreign schema of the database has',
  );
  for (const account of await namesOf(tx, FORMER_CONSUMERS, [listed])) {
    await tx.query(`revoke all on all tables in schema public from ${identifier(account)}`);
    await tx.query(`revoke usage on schema public from ${identifier(account)}`);
  }
  for (const account of await namesOf(tx, FORMER_CALLERS, [listed, QUEUE_FUNCTIONS]))
    await tx.query(`revoke all on all functions in schema public from ${identifier(account)}`);
  const { rows } = await tx.query<{ account: string; consumer: string }>(FORMER_SCHEMA_USERS, [
    consumers.map((one) => one.account),
    names,
  ]);
  for (const { account, consumer } of rows)
    await tx.query(`revoke all on schema ${identifier(consumer)} from ${identifier(account)}`);
  for (const sql of statementsFor(accounts)) await tx.query(sql);
  await tx.query(`comment on table schema_migrations is '${grantsVersion(accounts)}'`);
}

function statementsFor(accounts: readonly DatabaseAccount[]): string[] {
  const consumers = accounts.filter((one) => one.part === 'consumer');
  return [
    ...[...new Set(accounts.map((one) => identifier(one.account)))].flatMap((account) => [
      `revoke all on all tables in schema public from ${account}`,
      `revoke all on all functions in schema public from ${account}`,
      `grant usage on schema public to ${account}`,
    ]),
    ...accounts.flatMap((one) => {
      const { functions, tables } = privilegesOf(one);
      const account = identifier(one.account);
      return [
        ...Object.entries(tables).map(([table, granted]) => `grant ${granted} on ${table} to ${account}`),
        ...functions.map((signature) => `grant execute on function ${signature} to ${account}`),
      ];
    }),
    // The functions of the queue let an account that is listed here act for its own consumers only.
    'delete from consumer_accounts',
    ...consumers.flatMap(({ account, consumer }) => [
      `insert into consumer_accounts (account, consumer) values (${literal(account)}, ${literal(consumer)})`,
      // From now on, so that an operator sees its backlog even if no worker ever logs in.
      `insert into consumers (name) select ${literal(consumer)} where try_lock_consumer(${literal(consumer)}) on conflict do nothing`,
      // The account that migrates owns the schema: it may not give it to a role of which it is not a member. The consumer owns the
      // tables that it creates there.
      `create schema if not exists ${identifier(consumer)}`,
      `grant usage, create on schema ${identifier(consumer)} to ${identifier(account)}`,
    ]),
    ...[...new Set(consumers.map((one) => one.account))].map(limitIdleTransactions),
  ];
}

/**
 * A consumer that leaves a transaction open must not keep rows locked. Only an administrator of the role may set this, which the
 * account that migrates on Cloud SQL is not. `claim_emails` sets the same timeout for its session.
 */
function limitIdleTransactions(account: string): string {
  const body = `begin
  execute format(
    'alter role %I in database %I set idle_in_transaction_session_timeout = ''60s''',
    ${literal(account)}, current_database());
exception when insufficient_privilege then null;
end`;
  return `do ${literal(body)}`;
}

/**
 * Accounts that an earlier call granted to a consumer. Before consumers had names, they had a privilege on the column `processed`
 * alone. The console has one too, and attachment-url has one on `bucket_object`: their former accounts also lose their privileges.
 */
const FORMER_CONSUMERS = `
select r.rolname::text as name
from pg_roles r
where r.rolname <> all ($1::text[])
  and (
    exists (select from consumer_accounts c where c.account = r.rolname)
    or exists (
      select
      from pg_attribute c
      cross join lateral aclexplode(c.attacl) acl
      where acl.grantee = r.oid
        and (
          (c.attrelid = 'incoming_emails'::regclass and c.attname = 'processed')
          or (c.attrelid = 'email_attachments'::regclass and c.attname = 'bucket_object')
        )
    )
  )`;

/** Accounts that may call the queue and are not listed, however they got the privilege: an unknown account may act for every consumer. */
const FORMER_CALLERS = `
select distinct r.rolname::text as name
from unnest($2::text[]) signature
join pg_proc p on p.oid = signature::regprocedure
cross join lateral aclexplode(p.proacl) acl
join pg_roles r on r.oid = acl.grantee
where r.oid <> p.proowner
  and r.rolname <> all ($1::text[])`;

/** The pairs that an earlier call wrote, that are no longer listed, and whose account and schema still exist. */
const FORMER_SCHEMA_USERS = `
select c.account, c.consumer
from consumer_accounts c
join pg_roles r on r.rolname = c.account
join pg_namespace n on n.nspname = c.consumer
where (c.account, c.consumer) not in (select * from unnest($1::text[], $2::text[]))`;

const UNKNOWN = `
select a.name
from unnest($1::text[]) a (name)
where not exists (select 1 from pg_roles r where r.rolname = a.name)`;

/**
 * A consumer may create functions in its schema. So the schema must not exist for another purpose, and must not be the one that
 * PostgreSQL searches first for a user of the same name.
 */
const TAKEN = `
select distinct c.name
from unnest($1::text[]) c (name)
where exists (select from pg_roles r where r.rolname = c.name)
  or exists (
    select
    from pg_namespace n
    join pg_roles r on r.oid = n.nspowner
    where n.nspname = c.name
      and r.rolname <> current_user
  )`;

async function namesOf(tx: Queryable, sql: string, parameters: readonly unknown[]): Promise<string[]> {
  return (await tx.query<{ name: string }>(sql, parameters)).rows.map((row) => row.name);
}

/** @throws {AppError} database_denied with the problem and the names that the query finds */
async function assertNone(
  tx: Queryable,
  sql: string,
  candidates: readonly string[],
  problem: string,
): Promise<void> {
  const names = await namesOf(tx, sql, [candidates]);
  if (names.length > 0) throw new AppError('database_denied', `${problem}: ${names.join(', ')}.`);
}

function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
