/**
 * Opens the Gmail of the mailboxes that a search or a list covers: the one that the operator chose, otherwise the first mailbox
 * and the oldest added ones, at most ten. Contexts of added mailboxes are kept while the credentials of the console are the same.
 */
import type { AppContext } from '../../shared/control/app-context.ts';
import { credentialFingerprint } from '../../shared/credentials.ts';
import { statement } from '../../shared/db/statement.ts';
import type { AddedLookups } from '../../shared/lookup/added-lookups.ts';
import type { MailboxSettings } from '../../shared/mailboxes/mailbox-settings.ts';
import type { ErrorInfo } from '../../shared/schemas/fields.ts';
import { type CurrentMailbox, type GmailAccess, openGmail } from './gmail-access.ts';

/** One search asks this many mailboxes, in parallel. */
export const MAX_SEARCHED = 10;

// Monitored mailboxes: that of the credentials, and the added ones. Those that Gmail has not answered for have no id.
// $1 credential fingerprint text or null, $2 email address or null for all, $3 ids of added ones int[] or null for all
const MONITORED = statement(
  `
with monitored as (
  select m.id, coalesce(m.email_address, s.email_address) as email_address, m.created_at,
         s.id as settings_id, s.access, s.secret_name, s.label, s.initial_query, s.is_paused,
         coalesce(m.credential_fingerprint = $1::text, false) as is_first
  from mailboxes m
  full join mailbox_settings s on s.mailbox_id = m.id
  where m.credential_fingerprint = $1::text
     or s.access in ('refresh_token', 'delegation')
)
select id, email_address, created_at, settings_id, access, secret_name, label, initial_query, is_paused, is_first,
       count(*) over () as monitored_count
from monitored
where ($2::text is null or email_address = $2::text)
  and ($3::integer[] is null or is_first or id = any ($3::integer[]))
order by is_first desc, id
limit ${MAX_SEARCHED}`,
  {
    id: 'integer?',
    email_address: 'text',
    created_at: 'timestamp with time zone?',
    settings_id: 'integer?',
    access: 'text?',
    secret_name: 'text?',
    label: 'text?',
    initial_query: 'text?',
    is_paused: 'boolean?',
    is_first: 'boolean',
    monitored_count: 'bigint',
  },
);

type Row = NonNullable<(typeof MONITORED)['row']>;

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
  const { rows } = await db.query(MONITORED, [fingerprint, address, ids]);
  if (address !== null && rows.length === 0) return { accesses: [], notOpenedCount: 1, error: NOT_MONITORED };
  const others = rows.filter((row) => !row.is_first);
  const asksFirst = address === null || rows.some((row) => row.is_first);
  // A deployment may have added mailboxes only.
  const hasFirst = asksFirst && (config.gmail !== null || others.length === 0);
  const [first, ofOthers] = await Promise.all([
    hasFirst ? openGmail(context, timeoutMs) : null,
    Promise.all(others.map(async (row) => await openAdded(context, timeoutMs, row))),
  ]);
  const accesses = [first?.access ?? null, ...ofOthers].filter((access) => access !== null);
  // The first mailbox has no row until Gmail has answered for it.
  const isFirstUnknown = hasFirst && !rows.some((row) => row.is_first);
  const count = (rows[0]?.monitored_count ?? 0) + (isFirstUnknown ? 1 : 0);
  const error = first?.error ?? (ofOthers.includes(null) ? UNIDENTIFIED : null);
  return { accesses, notOpenedCount: count - accesses.length, error };
}

const NOT_MONITORED: ErrorInfo = {
  code: 'not_found',
  detail: 'The chosen mailbox is not monitored, so its Gmail cannot be searched.',
  remediation: 'Choose another mailbox, or add this one again: `npm run mailbox -- add ADDRESS`.',
};

const UNIDENTIFIED: ErrorInfo = {
  code: 'account_unconfirmed',
  detail: 'No run has reached an added mailbox yet.',
  remediation: 'The state of the mailbox says why.',
};

const added = new WeakMap<AppContext, Promise<AddedLookups>>();

/** @returns null for a mailbox that Gmail has not answered for yet */
async function openAdded(context: AppContext, timeoutMs: number, row: Row): Promise<GmailAccess | null> {
  const mailbox = toMailbox(row);
  if (mailbox === null) return null;
  const loading = added.get(context) ?? load(context);
  added.set(context, loading);
  const lookup = await (await loading).of(toSettings(row));
  return { lookup, mailbox, deadline: lookup.deadlineAfter(timeoutMs) };
}

function toMailbox({ created_at, email_address, id }: Row): CurrentMailbox | null {
  return id === null || created_at === null ? null : { id, email_address, created_at };
}

function toSettings(row: Row): MailboxSettings {
  return {
    id: row.settings_id ?? 0,
    emailAddress: row.email_address,
    mailboxId: row.id,
    // A check constraint limits the values.
    access: row.access as MailboxSettings['access'],
    secretName: row.secret_name,
    label: row.label,
    initialQuery: row.initial_query,
    isPaused: row.is_paused ?? false,
  };
}

async function load(context: AppContext): Promise<AddedLookups> {
  const { AddedLookups } = await import('../../shared/lookup/added-lookups.ts');
  return new AddedLookups(context);
}
