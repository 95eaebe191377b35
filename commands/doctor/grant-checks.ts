/**
 * Has each database account what `shared/db/schema/grants.ts` says of its part? Looked at are the accounts of DB_ACCOUNTS, and
 * the one that is logged in: by its name when it is of a deployed function, else as who does everything.
 */
import type { Queryable } from '../../shared/db/database.ts';
import { GRANTS } from '../../shared/db/schema/grants.ts';
import { ACCOUNT_PARTS, type AccountPart, type DatabaseAccount } from '../../shared/db-accounts.ts';
import { type Finding, fail, ok } from './finding.ts';

const EVERYTHING = ACCOUNT_PARTS;

interface Privilege {
  readonly table: string;
  readonly privilege: string;
  /** Null: on the whole table. */
  readonly column: string | null;
}

interface Holder {
  readonly account: string;
  readonly parts: readonly AccountPart[];
}

export async function checkGrants(db: Queryable, accounts: readonly DatabaseAccount[]): Promise<Finding> {
  const { rows } = await db.query<{ account: string }>('select current_user::text as account');
  const mine = rows[0]?.account ?? '';
  const parts = partsOf(mine, accounts);
  const holders: Holder[] = [
    { account: mine, parts },
    ...accounts
      .filter((one) => one.account !== mine)
      .map(({ account, part }) => ({ account, parts: [part] })),
  ];
  const lacks: string[] = [];
  for (const holder of holders) lacks.push(...(await lacksOf(db, holder)));
  const remediation =
    'Run `npm run migrate` with the DB_ACCOUNTS of the deployment, on an account that owns the tables; or `npm run deploy`.';
  if (lacks.length > 0) return fail('grants', `not granted: ${lacks.join('; ')}`, remediation);
  const as = parts === EVERYTHING ? 'all that the functions need' : `what ${parts.join(', ')} needs`;
  const others = holders.length === 1 ? '' : `; ${holders.length - 1} accounts of DB_ACCOUNTS likewise`;
  return ok('grants', `${mine} may do ${as}${others}`);
}

/** A deployed function's account is named after it: `email-monitor-poll-now@project.iam`. */
function partsOf(account: string, accounts: readonly DatabaseAccount[]): readonly AccountPart[] {
  const told = accounts.filter((one) => one.account === account).map((one) => one.part);
  if (told.length > 0) return told;
  const name = /^(.+)@[^@]+\.iam$/.exec(account)?.[1] ?? '';
  const longest = ACCOUNT_PARTS.filter((part) => name.endsWith(`-${part}`)).sort(
    (a, b) => b.length - a.length,
  )[0];
  return longest === undefined ? EVERYTHING : [longest];
}

/** `poll: insert on email_raw`; one that is no user of the database lacks itself. */
async function lacksOf(db: Queryable, { account, parts }: Holder): Promise<string[]> {
  const known = await db.query<object>('select 1 from pg_roles where rolname = $1::text', [account]);
  if (known.rowCount === 0) return [`${account} is no user of the database`];
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

/** `select, update (processed, updated_at)` as one entry a privilege and column. */
function privilegesOf(part: AccountPart): Privilege[] {
  return Object.entries(GRANTS[part]).flatMap(([table, text]) =>
    [...text.matchAll(/(\w+)(?:\s*\(([^)]*)\))?/g)].flatMap(([, privilege = '', columns]) =>
      (columns?.split(',') ?? [null]).map((column) => ({ table, privilege, column: column?.trim() ?? null })),
    ),
  );
}
