/**
 * DB_ACCOUNTS: the database account of each part of the system, `ingest=account,control=account,consumer:NAME=account,...`. The
 * deployment writes it. Only `migrate` reads it, and grants each account the privileges that `db/schema/privileges.ts` lists for
 * its part.
 */

/** `ingest` runs `poll`, `gmail-push`, `poll-now` and `ingest-mailbox`; `control` runs `start` and `stop`; the others run the functions of these names. */
export const FUNCTION_PARTS = ['ingest', 'control', 'console', 'status', 'attachment_url'] as const;
/** A `consumer` is one kind of work of the next phase, with a name of its own. */
export const ACCOUNT_PARTS = [...FUNCTION_PARTS, 'consumer'] as const;
export type AccountPart = (typeof ACCOUNT_PARTS)[number];

/** `account` is the role name in the database. An account may have several consumers, and a consumer several accounts. */
export type DatabaseAccount =
  | { readonly part: (typeof FUNCTION_PARTS)[number]; readonly account: string }
  | { readonly part: 'consumer'; readonly consumer: string; readonly account: string };

/** As the table `consumers` checks it. */
export const CONSUMER_NAME = /^[a-z][a-z0-9_-]{0,62}$/;
/** The consumer gets a schema of its name. */
export const RESERVED_NAME = /^(public|information_schema|pg_.*)$/;

const FORMAT = `must have the form part=account,part=account; the parts are ${FUNCTION_PARTS.join(', ')} and consumer:NAME`;
const NAME_FORMAT =
  'names a consumer wrongly: use consumer:NAME=account, with a lower-case letter and at most 62 lower-case letters, digits, hyphens or underscores';
const NAME_RESERVED =
  'gives a consumer a name that PostgreSQL reserves: public, information_schema and names that begin with pg_ are not allowed';

/** @param text null or empty: no accounts. @returns the accounts, or the error, without the name of the variable */
export function parseDatabaseAccounts(text: string | null): DatabaseAccount[] | { readonly error: string } {
  const accounts: DatabaseAccount[] = [];
  const entries = (text ?? '').split(',').map((entry) => entry.trim());
  for (const entry of entries.filter((one) => one !== '')) {
    const parsed = parseEntry(entry);
    if ('error' in parsed) return parsed;
    if (accounts.some((one) => isSameEntry(one, parsed)))
      return {
        error:
          parsed.part === 'consumer'
            ? 'lists an account of a consumer twice'
            : `names ${parsed.part} twice; only a consumer may have several accounts`,
      };
    accounts.push(parsed);
  }
  return accounts;
}

/** `ingest`, `consumer:extraction`: how DB_ACCOUNTS names it. */
export function labelOf(one: DatabaseAccount): string {
  return one.part === 'consumer' ? `consumer:${one.consumer}` : one.part;
}

function parseEntry(entry: string): DatabaseAccount | { readonly error: string } {
  const at = entry.indexOf('=');
  const [part = '', ...rest] = entry.slice(0, Math.max(0, at)).trim().split(':');
  const account = entry.slice(at + 1).trim();
  if (account === '') return { error: FORMAT };
  if (part === 'consumer') {
    const consumer = rest.join(':');
    if (!CONSUMER_NAME.test(consumer)) return { error: NAME_FORMAT };
    if (RESERVED_NAME.test(consumer)) return { error: NAME_RESERVED };
    return { part, consumer, account };
  }
  const known = FUNCTION_PARTS.find((one) => one === part);
  return known === undefined || rest.length > 0 ? { error: FORMAT } : { part: known, account };
}

function isSameEntry(one: DatabaseAccount, other: DatabaseAccount): boolean {
  if (labelOf(one) !== labelOf(other)) return false;
  return one.part !== 'consumer' || one.account === other.account;
}
