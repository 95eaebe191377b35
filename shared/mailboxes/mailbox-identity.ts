/**
 * Binds the account behind the credentials to its mailbox row, in one transaction. Called by `identifyMailbox` with the account
 * data that Gmail returned.
 * Invariant: one account has one row, and a row never changes its account without an operator's confirmation.
 */

import type { Database, Queryable } from '../db/database.ts';
import { onlyRow } from '../db/rows.ts';
import { statement } from '../db/statement.ts';
import { AppError } from '../errors.ts';
import { retiredAddress, unconfirmedDetail } from '../mailbox-confirmation.ts';
import { confirmRename, deleteConfirmations, endConfirmation } from './mailbox-confirmations.ts';
import { createMailbox, renameMailbox, takeMailboxOver } from './mailbox-rows.ts';
import { bindSettings, type MailboxSettings, renameFirstSettings } from './mailbox-settings.ts';

export interface Account {
  /** Of the access: `accessFingerprint`. */
  readonly fingerprint: string;
  /** The current address, in lower case. */
  readonly emailAddress: string;
  /** Gmail's current history id of the mailbox. */
  readonly historyId: string;
  /** As an operator added the mailbox; null: the credentials are those of the environment. */
  readonly settings: MailboxSettings | null;
}

export interface NewMailboxSettings {
  /** The query of the first listing. */
  readonly initialQuery: string;
  /** GMAIL_QUOTA_UNITS_PER_MINUTE. */
  readonly quotaUnitsPerMinute: number;
}

export interface IdentifiedMailbox {
  readonly id: number;
  readonly emailAddress: string;
  readonly change: 'unchanged' | 'renamed' | 'taken_over' | 'created';
  /** The former address of the row; null when the address is the same or the row is new. */
  readonly previousAddress: string | null;
}

// What the database knows about an account. A confirmation counts once and refers to mailboxes that existed when it was
// given. A confirmed rename never applies to a mailbox that got the former address later. If another mailbox has the address,
// a confirmed new mailbox counts only when that other mailbox is older than the confirmation. Added mailboxes are left out of
// known_addresses, which is read for new credentials only.
// $1 fingerprint, $2 email address, $3 history id, $4 mailbox settings id or null
// Always one row.
const FACTS = statement(
  `
select k.id as known_id, k.email_address as known_address,
       coalesce($3::numeric >= k.cursor_history_id, false) as may_be_known_account,
       a.id as address_id,
       coalesce($3::numeric >= a.cursor_history_id, false) as may_be_same_account,
       coalesce(c.renamed_from is null and (a.id is null or c.confirmed_at > a.created_at), false)
         and c.email_address is not null as is_confirmed_new,
       r.id as renamed_id, r.email_address as renamed_address,
       case when k.id is null then (
         select string_agg(listed.email_address, ', ' order by listed.id)
         from (
           select m.id, m.email_address
           from mailboxes m
           where not exists (
             select 1
             from mailbox_settings o
             where o.mailbox_id = m.id
               and o.access <> 'environment'
           )
           order by m.id
           limit 20
         ) listed
       ) end as known_addresses,
       (
         select f.id
         from email_monitor_status s
         join mailboxes f on f.credential_fingerprint = s.credential_fingerprint
         where s.id = 1
       ) as first_id,
       (
         select array_agg(o.mailbox_id)
         from mailbox_settings o
         where o.mailbox_id in (k.id, a.id, r.id)
           and o.access <> 'environment'
           and o.id is distinct from $4::integer
       ) as other_added_ids,
       exists (
         select 1
         from mailbox_settings o
         where o.email_address = $2::text
           and o.access <> 'environment'
       ) as is_added_address,
       own.mailbox_id as own_id, own.email_address as own_address
from (values (1)) one (n)
left join mailbox_settings own on own.id = $4::integer
left join mailboxes k on k.credential_fingerprint = $1::text
left join mailboxes a on a.email_address = $2::text
left join mailbox_confirmations c on c.email_address = $2::text and c.applied_at is null
left join mailboxes r on r.email_address = c.renamed_from and r.created_at < c.confirmed_at`,
  {
    known_id: 'integer?',
    known_address: 'text?',
    may_be_known_account: 'boolean',
    address_id: 'integer?',
    may_be_same_account: 'boolean',
    is_confirmed_new: 'boolean',
    renamed_id: 'integer?',
    renamed_address: 'text?',
    known_addresses: 'text?',
    first_id: 'integer?',
    other_added_ids: 'integer[]?',
    is_added_address: 'boolean',
    own_id: 'integer?',
    own_address: 'text?',
  },
);

type Facts = NonNullable<typeof FACTS.row>;

type Decision =
  | { readonly kind: 'unchanged'; readonly id: number }
  | { readonly kind: 'renamed' | 'taken_over'; readonly id: number; readonly from: string }
  | { readonly kind: 'created' };

/**
 * Known credentials prove the account, because Google binds a refresh token to one account; only the address can change. New
 * credentials prove only an address, and so does a delegation, which names an address. Gmail's history ids of a mailbox only
 * increase. So if the history of an account is behind the cursor of the row, it is another account with the same address.
 *
 * @returns null when an operator must confirm the account
 */
function decide(facts: Facts, { emailAddress: address, settings }: Account): Decision | null {
  const isProof = settings?.access !== 'delegation' || facts.may_be_known_account;
  if (facts.known_id !== null && isProof) {
    const from = facts.known_address ?? address;
    return from === address
      ? { kind: 'unchanged', id: facts.known_id }
      : { kind: 'renamed', id: facts.known_id, from };
  }
  if (facts.renamed_id !== null)
    return { kind: 'taken_over', id: facts.renamed_id, from: facts.renamed_address ?? address };
  if (facts.address_id !== null && facts.may_be_same_account)
    return { kind: 'taken_over', id: facts.address_id, from: address };
  const isEmpty = facts.known_id === null && facts.known_addresses === null;
  return facts.is_confirmed_new || isEmpty ? { kind: 'created' } : null;
}

/**
 * The row lost this address to another monitored mailbox, and its credentials report it again. An address has one account, so both
 * are the same account. The operator added it under its new address, before the former mailbox was renamed.
 */
function isSecondOfAccount(decision: Decision | null, facts: Facts, { emailAddress }: Account): boolean {
  if (decision?.kind !== 'renamed' || decision.from !== retiredAddress(emailAddress, decision.id))
    return false;
  const { address_id: id, first_id: firstId, other_added_ids: others } = facts;
  return id !== null && (id === firstId || (others ?? []).includes(id));
}

/**
 * One account is never both the first mailbox and an added one: each would take the row over from the other again and again.
 * Before an added mailbox is bound, its account has the address that the operator added.
 *
 * @throws {AppError} wrong_account, account_added
 */
function assertOwner(decision: Decision | null, facts: Facts, account: Account): void {
  const { emailAddress, settings } = account;
  const id = decision !== null && 'id' in decision ? decision.id : null;
  const isOther = id !== null && (facts.other_added_ids ?? []).includes(id);
  const isSecond = isSecondOfAccount(decision, facts, account);
  if (settings === null) {
    const isNew = decision === null || decision.kind === 'created' || decision.kind === 'taken_over';
    if (isOther || isSecond || (isNew && facts.is_added_address))
      throw new AppError(
        'account_added',
        `Gmail reports ${emailAddress}, but its mailbox was added and has its own credentials.`,
      );
    return;
  }
  // As the database has it now: another instance may have bound the mailbox since the settings were read.
  const isOwn = id !== null && id === facts.own_id;
  const ownAddress = facts.own_address ?? settings.emailAddress;
  if (!isOwn && emailAddress !== ownAddress)
    throw new AppError(
      'wrong_account',
      `Gmail reports ${emailAddress}, but the mailbox was added as ${ownAddress}.`,
    );
  if (id !== null && (id === facts.first_id || isOther || isSecond)) {
    const isFirst = (isSecond ? facts.address_id : id) === facts.first_id;
    throw new AppError(
      'wrong_account',
      `Gmail reports ${emailAddress}, which is ${isFirst ? 'the first mailbox' : 'another added mailbox'}.`,
    );
  }
}

/**
 * Binds the account to its row: known, renamed, taken over or created. May run twice, and on many instances at once.
 *
 * @param renamedFrom former address of this account, if the operator confirms that it is a known mailbox; otherwise null
 * @throws {AppError} account_unconfirmed, with both addresses; wrong_account, account_added
 */
export async function bindAccount(
  db: Database,
  account: Account,
  newSettings: NewMailboxSettings,
  renamedFrom: string | null = null,
): Promise<IdentifiedMailbox> {
  const { emailAddress, settings } = account;
  const known = await readFacts(db, account);
  if (known.known_id !== null && isBound(known, account))
    return { id: known.known_id, emailAddress, change: 'unchanged', previousAddress: null };
  return await db.transaction(async (tx) => {
    await tx.query(LOCK);
    if (renamedFrom !== null) await confirmRename(tx, emailAddress, renamedFrom);
    const facts = await readFacts(tx, account);
    const decision = decide(facts, account);
    assertOwner(decision, facts, account);
    if (decision === null) throw unconfirmed(account, facts);
    const id = await apply(tx, decision, facts, account, newSettings);
    await endConfirmation(tx, emailAddress);
    if (settings !== null) await bindSettings(tx, settings.id, { id, emailAddress });
    else if (decision.kind !== 'unchanged') await renameFirstSettings(tx, id, emailAddress);
    const previousAddress = 'from' in decision && decision.from !== emailAddress ? decision.from : null;
    return { id, emailAddress, change: decision.kind, previousAddress };
  });
}

/** Nothing is left to bind: the usual case. */
function isBound(facts: Facts, { emailAddress, settings }: Account): boolean {
  const { known_id: id } = facts;
  if (id === null || facts.known_address !== emailAddress) return false;
  if (settings === null) return !(facts.other_added_ids ?? []).includes(id);
  return (
    facts.own_id === id &&
    facts.own_address === emailAddress &&
    (settings.access !== 'delegation' || facts.may_be_known_account)
  );
}

// Serializes instances that find a new account. An advisory lock, because locking the status row could deadlock. The end of
// a run locks the mailbox row before the status row, and this transaction locks mailbox rows later.
const LOCK = statement(
  `
select true as is_locked
from pg_advisory_xact_lock(hashtextextended('email_monitor.bind_account', 0))`,
  { is_locked: 'boolean' },
);

async function readFacts(db: Queryable, account: Account): Promise<Facts> {
  const { emailAddress, fingerprint, historyId, settings } = account;
  return await onlyRow(db, FACTS, [fingerprint, emailAddress, historyId, settings?.id ?? null]);
}

function unconfirmed({ emailAddress }: Account, { known_addresses, address_id }: Facts): AppError {
  return new AppError(
    'account_unconfirmed',
    unconfirmedDetail(emailAddress, address_id === null ? (known_addresses ?? '') : null),
  );
}

async function apply(
  tx: Queryable,
  decision: Decision,
  facts: Facts,
  account: Account,
  settings: NewMailboxSettings,
): Promise<number> {
  const { emailAddress } = account;
  const id = 'id' in decision ? decision.id : null;
  const { address_id: otherId } = facts;
  // The other row keeps its mail and its credentials.
  if (otherId !== null && otherId !== id)
    await renameMailbox(tx, otherId, retiredAddress(emailAddress, otherId));
  if (decision.kind === 'created') return await createMailbox(tx, { ...settings, ...account });
  if (decision.kind === 'renamed') await renameMailbox(tx, decision.id, emailAddress);
  if (decision.kind === 'taken_over') await takeMailboxOver(tx, decision.id, account);
  if ('from' in decision && decision.from !== emailAddress)
    await deleteConfirmations(tx, decision.from, emailAddress);
  return decision.id;
}
