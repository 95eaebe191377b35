/**
 * Checks that each database account has the privileges that `shared/db/schema/privileges.ts` lists for its part. It checks the
 * accounts of DB_ACCOUNTS and the current account. If the current account's name is not that of a deployed function, it
 * needs the privileges of all parts.
 */
import type { Queryable } from '../../shared/db/database.ts';
import { PRIVILEGES, type Privileges, privilegesOf } from '../../shared/db/schema/privileges.ts';
import { ACCOUNT_PARTS, type DatabaseAccount, labelOf } from '../../shared/db-accounts.ts';
import { type CheckResult, fail, ok } from './check-result.ts';

interface Privilege {
  readonly kind: 'table' | 'function' | 'schema';
  /** A table, a function with its argument types, or a schema. */
  readonly on: string;
  readonly privilege: string;
  /** Null: the whole table. */
  readonly column: string | null;
}

/** What one account needs, for which parts. */
interface Need {
  readonly account: string;
  readonly parts: readonly string[];
  readonly privileges: readonly Privilege[];
}

export async function checkGrants(db: Queryable, accounts: readonly DatabaseAccount[]): Promise<CheckResult> {
  const { rows } = await db.query<{ account: string }>('select current_user::text as account');
  const current = rows[0]?.account ?? '';
  const byAccount = Map.groupBy(accounts, (one) => one.account);
  const configured = byAccount.get(current);
  byAccount.delete(current);
  const own = configured === undefined ? needByName(current) : configuredNeed(current, configured);
  const others = [...byAccount].map(([account, ones]) => configuredNeed(account, ones));
  const missing: string[] = [];
  for (const need of [own, ...others]) missing.push(...(await missingPrivileges(db, need)));
  const remediation =
    'Run `npm run migrate` with the DB_ACCOUNTS of the deployment, as an account that owns the tables. Deployed functions call `migrate` by themselves.';
  if (missing.length > 0) return fail('grants', `not granted: ${missing.join('; ')}`, remediation);
  const needs = own.parts === ACCOUNT_PARTS ? 'every function' : own.parts.join(', ');
  const rest = others.length === 0 ? '' : `; ${others.length} accounts of DB_ACCOUNTS have theirs`;
  return ok('grants', `${current} has the privileges that ${needs} needs${rest}`);
}

/** @param entries those of DB_ACCOUNTS for the account */
function configuredNeed(account: string, entries: readonly DatabaseAccount[]): Need {
  const schemas = entries.flatMap((one) => (one.part === 'consumer' ? [one.consumer] : []));
  return {
    account,
    parts: entries.map(labelOf),
    privileges: [
      ...entries.flatMap((one) => singlePrivileges(privilegesOf(one))),
      ...schemas.map((on) => ({ kind: 'schema', on, privilege: 'create', column: null }) as const),
    ],
  };
}

/** The account of deployed functions has the name of their part: `email-monitor-ingest@project.iam`. */
function needByName(account: string): Need {
  const name = /^(.+)@[^@]+\.iam$/.exec(account)?.[1] ?? '';
  const part = ACCOUNT_PARTS.find((one) => name.endsWith(`-${one.replaceAll('_', '-')}`));
  const parts = part === undefined ? ACCOUNT_PARTS : [part];
  return { account, parts, privileges: parts.flatMap((one) => singlePrivileges(PRIVILEGES[one])) };
}

/** `ingest: insert on email_raw`, or that the account does not exist. */
async function missingPrivileges(db: Queryable, { account, privileges }: Need): Promise<string[]> {
  const known = await db.query<object>('select 1 from pg_roles where rolname = $1::text', [account]);
  if (known.rowCount === 0) return [`${account} is not a user of the database`];
  const { rows } = await db.query<{ wanted: string }>(
    `select distinct w.privilege || ' on ' || w.name as wanted
     from unnest($2::text[], $3::text[], $4::text[], $5::text[]) w (kind, name, privilege, column_name)
     where not coalesce(
       case
         when w.kind = 'function' then has_function_privilege($1::text, to_regprocedure(w.name), w.privilege)
         when w.kind = 'schema' then has_schema_privilege($1::text, to_regnamespace(quote_ident(w.name)), w.privilege)
         when w.column_name is null then has_table_privilege($1::text, w.name, w.privilege)
         else has_column_privilege($1::text, w.name, w.column_name, w.privilege)
       end, false)
     order by 1`,
    [
      account,
      privileges.map((one) => one.kind),
      privileges.map((one) => one.on),
      privileges.map((one) => one.privilege),
      privileges.map((one) => one.column),
    ],
  );
  return rows.length === 0 ? [] : [`${account}: ${rows.map((row) => row.wanted).join(', ')}`];
}

/** Splits `select, update (processed, updated_at)` into one entry per privilege and column. */
function singlePrivileges({ functions, tables }: Privileges): Privilege[] {
  return [
    ...Object.entries(tables).flatMap(([on, text]) =>
      [...text.matchAll(/(\w+)(?:\s*\(([^)]*)\))?/g)].flatMap(([, privilege = '', columns]) =>
        (columns?.split(',') ?? [null]).map(
          (column) => ({ kind: 'table', on, privilege, column: column?.trim() ?? null }) as const,
        ),
      ),
    ),
    ...functions.map((on) => ({ kind: 'function', on, privilege: 'execute', column: null }) as const),
  ];
}
