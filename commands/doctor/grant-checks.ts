/**
 * Checks that each database account has the privileges that `shared/db/schema/grants.ts` lists for its part. It checks the
 * accounts of DB_ACCOUNTS and the current account. If the current account's name is not that of a deployed function, it
 * needs the privileges of all parts.
 */
import type { Queryable } from '../../shared/db/database.ts';
import { GRANTS } from '../../shared/db/schema/grants.ts';
import { ACCOUNT_PARTS, type AccountPart, type DatabaseAccount } from '../../shared/db-accounts.ts';
import { type CheckResult, fail, ok } from './check-result.ts';

interface Privilege {
  readonly table: string;
  readonly privilege: string;
  /** Null: the whole table. */
  readonly column: string | null;
}

interface Account {
  readonly account: string;
  readonly parts: readonly AccountPart[];
}

export async function checkGrants(db: Queryable, accounts: readonly DatabaseAccount[]): Promise<CheckResult> {
  const { rows } = await db.query<{ account: string }>('select current_user::text as account');
  const current = rows[0]?.account ?? '';
  const parts = partsOf(current, accounts);
  const all: Account[] = [
    { account: current, parts },
    ...accounts
      .filter((one) => one.account !== current)
      .map(({ account, part }) => ({ account, parts: [part] })),
  ];
  const missing: string[] = [];
  for (const account of all) missing.push(...(await missingPrivileges(db, account)));
  const remediation =
    'Run `npm run migrate` with the DB_ACCOUNTS of the deployment, as an account that owns the tables. Deployed functions call `migrate` by themselves.';
  if (missing.length > 0) return fail('grants', `not granted: ${missing.join('; ')}`, remediation);
  const needs = parts === ACCOUNT_PARTS ? 'every function' : parts.join(', ');
  const others = all.length === 1 ? '' : `; ${all.length - 1} accounts of DB_ACCOUNTS have theirs`;
  return ok('grants', `${current} has the privileges that ${needs} needs${others}`);
}

/** The account of deployed functions has the name of their part: `email-monitor-ingest@project.iam`. */
function partsOf(account: string, accounts: readonly DatabaseAccount[]): readonly AccountPart[] {
  const configured = accounts.filter((one) => one.account === account).map((one) => one.part);
  if (configured.length > 0) return configured;
  const name = /^(.+)@[^@]+\.iam$/.exec(account)?.[1] ?? '';
  const part = ACCOUNT_PARTS.find((one) => name.endsWith(`-${one}`));
  return part === undefined ? ACCOUNT_PARTS : [part];
}

/** `ingest: insert on email_raw`, or that the account does not exist. */
async function missingPrivileges(db: Queryable, { account, parts }: Account): Promise<string[]> {
  const known = await db.query<object>('select 1 from pg_roles where rolname = $1::text', [account]);
  if (known.rowCount === 0) return [`${account} is not a user of the database`];
  const wanted = parts.flatMap((part) => privilegesOf(part));
  const { rows } = await db.query<{ wanted: string }>(
    `select distinct w.privilege || ' on ' || w.table_name as wanted
     from unnest($2::text[], $3::text[], $4::text[]) w (table_name, privilege, column_name)
     where not coalesce(
       case when w.column_name is null then has_table_privilege($1::text, w.table_name, w.privilege)
            else has_column_privilege($1::text, w.table_name, w.column_name, w.privilege) end, false)
     order by 1`,
    [
      account,
      wanted.map((one) => one.table),
      wanted.map((one) => one.privilege),
      wanted.map((one) => one.column),
    ],
  );
  return rows.length === 0 ? [] : [`${account}: ${rows.map((row) => row.wanted).join(', ')}`];
}

/** Splits `select, update (processed, updated_at)` into one entry per privilege and column. */
function privilegesOf(part: AccountPart): Privilege[] {
  return Object.entries(GRANTS[part]).flatMap(([table, text]) =>
    [...text.matchAll(/(\w+)(?:\s*\(([^)]*)\))?/g)].flatMap(([, privilege = '', columns]) =>
      (columns?.split(',') ?? [null]).map((column) => ({ table, privilege, column: column?.trim() ?? null })),
    ),
  );
}
