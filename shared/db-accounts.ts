/**
 * DB_ACCOUNTS: the database account of each part of the system, `ingest=account,control=account,...`. The deployment
 * writes it. Only `migrate` reads it, and grants each account the privileges that `db/schema/grants.ts` lists for its part.
 */

/**
 * `ingest` runs `poll`, `gmail-push` and `poll-now`; `control` runs `start` and `stop`; `console` and `status` run the
 * functions of these names. `consumer` is the next phase, which may have several accounts.
 */
export const ACCOUNT_PARTS = ['ingest', 'control', 'console', 'status', 'consumer'] as const;
export type AccountPart = (typeof ACCOUNT_PARTS)[number];

export interface DatabaseAccount {
  readonly part: AccountPart;
  /** The role name in the database. */
  readonly account: string;
}

const FORMAT = `must have the form part=account,part=account; the parts are ${ACCOUNT_PARTS.join(', ')}`;

/** @param text null or empty: no accounts. @returns the accounts, or the error, without the name of the variable */
export function parseDatabaseAccounts(text: string | null): DatabaseAccount[] | { readonly error: string } {
  const accounts: DatabaseAccount[] = [];
  const entries = (text ?? '').split(',').map((entry) => entry.trim());
  for (const entry of entries.filter((one) => one !== '')) {
    const at = entry.indexOf('=');
    const part = entry.slice(0, Math.max(0, at)).trim();
    const account = entry.slice(at + 1).trim();
    if (!isPart(part) || account === '') return { error: FORMAT };
    if (part !== 'consumer' && accounts.some((one) => one.part === part))
      return { error: `names ${part} twice; only consumer may have several accounts` };
    accounts.push({ part, account });
  }
  return accounts;
}

function isPart(text: string): text is AccountPart {
  return (ACCOUNT_PARTS as readonly string[]).includes(text);
}
