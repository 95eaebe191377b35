/**
 * DB_ACCOUNTS: which account of the database is whose, `poll=account,gmail-push=account,...`. Written by the
 * deployment, read by migrate alone, which gives each account what `db/schema/grants.ts` says of its part.
 */

/** The deployed functions that work with tables, and `consumer`: the next phase, which may have several accounts. */
export const ACCOUNT_PARTS = [
  'poll',
  'gmail-push',
  'poll-now',
  'status',
  'start',
  'stop',
  'console',
  'consumer',
] as const;
export type AccountPart = (typeof ACCOUNT_PARTS)[number];

export interface DatabaseAccount {
  readonly part: AccountPart;
  /** As the database calls it. */
  readonly account: string;
}

const FORM = `must have the form part=account,part=account; the parts are ${ACCOUNT_PARTS.join(', ')}`;

/** @param text null or empty: no accounts. @returns the accounts, or what is wrong, as config faults are told */
export function parseDatabaseAccounts(text: string | null): DatabaseAccount[] | { readonly fault: string } {
  const accounts: DatabaseAccount[] = [];
  const entries = (text ?? '').split(',').map((entry) => entry.trim());
  for (const entry of entries.filter((one) => one !== '')) {
    const at = entry.indexOf('=');
    const part = entry.slice(0, Math.max(0, at)).trim();
    const account = entry.slice(at + 1).trim();
    if (!isPart(part) || account === '') return { fault: FORM };
    if (part !== 'consumer' && accounts.some((one) => one.part === part))
      return { fault: `names ${part} twice; only consumer may have several accounts` };
    accounts.push({ part, account });
  }
  return accounts;
}

function isPart(text: string): text is AccountPart {
  return (ACCOUNT_PARTS as readonly string[]).includes(text);
}
