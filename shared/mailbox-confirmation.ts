/**
 * How an operator confirms an account that the database does not know: `POST start?new_mailbox=ADDRESS` with its address,
 * or `POST start?renamed_from=ADDRESS` with the former address of a known mailbox.
 */
import { AppError } from './errors.ts';

export interface MailboxConfirmation {
  readonly kind: 'new' | 'renamed';
  /** The address of the new mailbox, or the former address of the known one; in lower case. */
  readonly emailAddress: string;
}

/** The limit of RFC 5321. */
const MAX_ADDRESS_LENGTH = 254;
// PostgreSQL text can contain neither NUL nor a lone surrogate.
const ADDRESS = /^[^\s@"<>,\p{Cc}\p{Cs}]+@[^\s@"<>,\p{Cc}\p{Cs}]+$/u;

/**
 * @param query of the request
 * @returns null when the request confirms nothing
 * @throws {AppError} bad_request
 */
export function parseConfirmation(query: Readonly<Record<string, unknown>>): MailboxConfirmation | null {
  const { new_mailbox: newMailbox, renamed_from: renamedFrom } = query;
  if (newMailbox !== undefined && renamedFrom !== undefined) {
    throw new AppError('bad_request', 'Give new_mailbox or renamed_from, not both.');
  }
  if (newMailbox !== undefined) return { kind: 'new', emailAddress: parseAddress('new_mailbox', newMailbox) };
  if (renamedFrom !== undefined)
    return { kind: 'renamed', emailAddress: parseAddress('renamed_from', renamedFrom) };
  return null;
}

/**
 * @returns the address in the parameter `mailbox`, or what a mailbox keeps as its address, in lower case; null without it
 * @throws {AppError} bad_request
 */
export function mailboxParameter({ mailbox }: Readonly<Record<string, unknown>>): string | null {
  return mailbox === undefined ? null : (formerAddress(mailbox) ?? parseAddress('mailbox', mailbox));
}

/** @returns the address in lower case; null when the text is not one address */
export function normalizedAddress(text: string): string | null {
  const address = text.trim().toLowerCase();
  return ADDRESS.test(address) && address.length <= MAX_ADDRESS_LENGTH ? address : null;
}

/** @returns in lower case @throws {AppError} bad_request */
export function parseAddress(name: string, value: unknown): string {
  const address = typeof value === 'string' ? normalizedAddress(value) : null;
  if (address !== null) return address;
  throw new AppError(
    'bad_request',
    `${name} must be one email address, such as ${name}=orders@example.com. Write a plus sign in the address as %2B.`,
  );
}

/**
 * What a mailbox keeps as its address after another account got it, until Gmail reports the present one of its own account. No push
 * and no confirmation can name it.
 */
export function retiredAddress(emailAddress: string, mailboxId: number): string {
  return `formerly ${emailAddress} (mailbox ${mailboxId})`;
}

const FORMER_ADDRESS = /^formerly [^\s\p{Cc}\p{Cs}]+ \(mailbox \d+\)$/u;

/** @param value a text of `retiredAddress` @returns in lower case; null for other text */
export function formerAddress(value: unknown): string | null {
  const text = typeof value === 'string' ? value.trim().toLowerCase() : '';
  return FORMER_ADDRESS.test(text) && text.length <= MAX_ADDRESS_LENGTH + 40 ? text : null;
}

/**
 * The detail of the error `account_unconfirmed`.
 *
 * @param knownAddresses null: the address is known, but the history shows that it belongs to another account
 */
export function unconfirmedDetail(emailAddress: string, knownAddresses: string | null): string {
  return knownAddresses === null
    ? `The credentials belong to ${emailAddress}, which is a known mailbox. But the history of the account is older than ` +
        'what was read from that mailbox: the address may belong to another account now.'
    : `The credentials belong to ${emailAddress}; the database knows ${knownAddresses}.`;
}

/** The address in a stored error `account_unconfirmed`; null for a text that another version wrote. */
export function accountOfUnconfirmed(detail: string | null): string | null {
  const address = /The credentials belong to (\S+?)[,;] /.exec(detail ?? '')?.[1];
  return address !== undefined && ADDRESS.test(address) ? address : null;
}
