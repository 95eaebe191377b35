/**
 * Opens the Gmail of the mailboxes that a search or a list covers: the one that the operator chose, otherwise the first mailbox
 * and the oldest added ones, at most ten. Contexts of added mailboxes are kept while the credentials of the console are the same.
 */
import type { AppContext } from '../../shared/control/app-context.ts';
import { credentialFingerprint } from '../../shared/credentials.ts';
import { statement } from '../../shared/db/statement.ts';
import { remediationFor, titleFor } from '../../shared/errors.ts';
import type { AddedLookups } from '../../shared/lookup/added-lookups.ts';
import { SETTINGS, settingsOf, toSettings } from '../../shared/mailboxes/mailbox-settings.ts';
import type { ErrorInfo } from '../../shared/schemas/fields.ts';
import { type GmailAccess, openGmail, withMailboxes } from './gmail-access.ts';

/** One search asks this many mailboxes, in parallel. */
export const MAX_SEARCHED = 10;

// Added mailboxes, except one whose credentials are those of the first. Those that Gmail has not answered for have no id.
// $1 credential fingerprint text or null, $2 email address or null for all, $3 ids of added ones int[] or null for all
const ADDED = statement(
  `
select ${settingsOf('s')}, m.email_address as present_address, m.created_at, s.last_error_code, s.last_error,
       count(*) over () as added_count
from mailbox_settings s
left join mailboxes m on m.id = s.mailbox_id
where s.access in ('refresh_token', 'delegation')
  and coalesce(m.credential_fingerprint <> $1::text, true)
  and ($2::text is null or coalesce(m.email_address, s.email_address) = $2::text)
  and ($3::integer[] is null or m.id = any ($3::integer[]))
order by m.id
limit ${MAX_SEARCHED}`,
  {
    ...SETTINGS,
    present_address: 'text?',
    created_at: 'timestamp with time zone?',
    last_error_code: 'text?',
    last_error: 'text?',
    added_count: 'bigint',
  },
);

type Row = NonNullable<(typeof ADDED)['row']>;

export interface OpenedMailboxes {
  readonly accesses: readonly GmailAccess[];
  /** Monitored mailboxes, or chosen ones, without an access here. */
  readonly notOpenedCount: number;
  /** Why one of them has none; null when they are only too many. */
  readonly error: ErrorInfo | null;
}

/** Both null: every mailbox. */
export interface Selection {
  /** The mailbox that the operator chose, in lower case. */
  readonly address: string | null;
  /** The first mailbox, and the added ones with these ids. */
  readonly ids: readonly number[] | null;
}

/**
 * @throws {AppError} an error of the database
 */
export async function openMailboxes(
  context: AppContext,
  timeoutMs: number,
  { address, ids }: Selection,
): Promise<OpenedMailboxes> {
  const { db, config } = context;
  const fingerprint = config.gmail === null ? null : credentialFingerprint(config.gmail);
  const [first, { rows }] = await Promise.all([
    openGmail(context, timeoutMs),
    db.query(ADDED, [fingerprint, address, ids]),
  ]);
  // A deployment may have added mailboxes only.
  const hasFirst =
    address === null
      ? config.gmail !== null || rows.length === 0
      : first.access?.mailbox.email_address === address;
  if (address !== null && !hasFirst && rows.length === 0)
    return { accesses: [], notOpenedCount: 1, error: notMonitored(address, config.gmail !== null) };
  const asked = rows.slice(0, MAX_SEARCHED - (hasFirst ? 1 : 0));
  const added = await Promise.all(asked.map(async (row) => await openAdded(context, timeoutMs, row)));
  const accesses = [hasFirst ? first.access : null, ...added].filter((access) => access !== null);
  const unreached = asked.filter((row) => row.mailbox_id === null);
  const count = (rows[0]?.added_count ?? 0) + (hasFirst ? 1 : 0);
  const error = (hasFirst ? first.error : null) ?? unreachedError(unreached);
  return { accesses, notOpenedCount: count - accesses.length, error };
}

function notMonitored(address: string, hasFirstCredentials: boolean): ErrorInfo {
  const next = 'Choose another mailbox in the filters, or press “Add a mailbox”.';
  return hasFirstCredentials
    ? {
        code: 'not_found',
        detail: `${address} is not monitored, so its Gmail cannot be searched.`,
        remediation: next,
      }
    : {
        code: 'not_configured',
        detail: `${address} is not monitored: it was removed, or it is the first mailbox, which has no credentials.`,
        remediation: `${next} For the first mailbox, run \`npm run authorize\`.`,
      };
}

/** Why Gmail has not answered for the first of these, as its last run recorded it. @returns null when there is none */
function unreachedError(rows: readonly Row[]): ErrorInfo | null {
  const [row] = rows;
  if (row === undefined) return null;
  const { email_address: address, is_paused: isPaused, last_error: detail, last_error_code: code } = row;
  const error =
    code === null
      ? {
          code: 'account_unconfirmed',
          detail: 'No run has reached this mailbox yet.',
          remediation: isPaused ? 'Press “Resume” of this mailbox.' : 'Press “Poll now”.',
        }
      : {
          code,
          detail: `${titleFor(code) ?? code}: ${detail ?? ''}`,
          remediation: remediationFor(code, row.access === 'refresh_token' ? address : null),
        };
  return withMailboxes(
    error,
    rows.map((one) => one.email_address),
  );
}

const contexts = new WeakMap<AppContext, Promise<AddedLookups>>();

/** @returns null for a mailbox that Gmail has not answered for yet */
async function openAdded(context: AppContext, timeoutMs: number, row: Row): Promise<GmailAccess | null> {
  const settings = toSettings(row);
  const { created_at, mailbox_id: id, present_address: email_address } = row;
  if (id === null || created_at === null || email_address === null) return null;
  const loading = contexts.get(context) ?? load(context);
  contexts.set(context, loading);
  const lookup = await (await loading).of(settings);
  const mailbox = { id, email_address, created_at };
  const hasOwnSecret = settings.access === 'refresh_token';
  return { lookup, mailbox, hasOwnSecret, deadline: lookup.deadlineAfter(timeoutMs) };
}

async function load(context: AppContext): Promise<AddedLookups> {
  const { AddedLookups } = await import('../../shared/lookup/added-lookups.ts');
  return new AddedLookups(context);
}
