/** Reads the head of an email: sender, recipients, subject, date, and whether it is automatic. */

import { cleanText } from '../encoding/clean-text.ts';
import type { Defects, EmailAddress, ParsedEmail } from '../parsed-email.ts';
import { readAddresses } from './addresses.ts';
import { decodeWords } from './encoded-words.ts';
import type { HeaderFields } from './header-block.ts';
import { headerText, headerTexts } from './header-text.ts';
import { parseSentDate } from './sent-date.ts';

export type Head = Pick<
  ParsedEmail,
  | 'subject'
  | 'from'
  | 'to'
  | 'cc'
  | 'bcc'
  | 'replyTo'
  | 'rfc822MessageId'
  | 'inReplyTo'
  | 'sentAt'
  | 'deliveredTo'
  | 'listId'
  | 'autoSubmitted'
>;

/** @param type content type of the email itself */
export function readHead(fields: HeaderFields, type: string, defects: Defects): Head {
  for (const name of ['subject', 'from', 'date', 'message-id']) {
    if ((fields.get(name)?.length ?? 0) > 1) defects.add('duplicate_header');
  }
  const filled = (name: string): string | null => {
    const texts = headerTexts(fields, name, defects).map((text) => cleanText(text, defects));
    return texts.find((text) => text !== '') ?? null;
  };
  const subject = readSubject(fields, defects);
  const dates = headerTexts(fields, 'date', defects).filter((date) => date !== '');
  const sentAt = dates.map(parseSentDate).find((date) => date !== null) ?? null;
  if (sentAt === null) defects.add(dates.length === 0 ? 'date_missing' : 'date_unreadable');
  const replyTo = readAddresses(fields, 'reply-to', defects);
  const listId = filled('list-id');
  return {
    subject,
    from: readSender(fields, replyTo, defects),
    to: readAddresses(fields, 'to', defects),
    cc: readAddresses(fields, 'cc', defects),
    bcc: readAddresses(fields, 'bcc', defects),
    replyTo,
    rfc822MessageId: filled('message-id'),
    inReplyTo: filled('in-reply-to'),
    sentAt,
    deliveredTo: readDeliveredTo(fields, defects),
    listId: listId === null ? null : cleanText(decodeWords(listId, defects), defects) || null,
    autoSubmitted: readAutoSubmitted(fields, type, defects),
  };
}

/** The first Subject with text, on one line; an empty one when there is no other. */
function readSubject(fields: HeaderFields, defects: Defects): string | null {
  const subjects = headerTexts(fields, 'subject', defects);
  const subject = subjects.find((text) => text !== '') ?? subjects[0];
  if (subject === undefined) return null;
  const decoded = cleanText(decodeWords(subject, defects), defects);
  // An encoded word may contain line breaks, which no email client shows.
  const line = decoded.replace(/[ \t]?[\r\n]+[ \t]?/g, ' ');
  return line === decoded ? decoded : line.trim();
}

/** The first From with an address; without one the Sender, then the first Reply-To. A name in From is kept. */
function readSender(
  fields: HeaderFields,
  replyTo: readonly EmailAddress[],
  defects: Defects,
): EmailAddress | null {
  const from = readAddresses(fields, 'from', defects);
  if (from.length === 0) defects.add('from_missing');
  const hasAddress = ({ address }: EmailAddress): boolean => address !== null;
  const own = from.find(hasAddress);
  if (own !== undefined) return own;
  const named = from[0] ?? null;
  const other = readAddresses(fields, 'sender', new Set()).find(hasAddress) ?? replyTo.find(hasAddress);
  return other === undefined ? named : { name: named?.name ?? other.name, address: other.address };
}

/** The mailboxes that received the email: Delivered-To and X-Original-To, each once. */
function readDeliveredTo(fields: HeaderFields, defects: Defects): string[] {
  const addresses = ['delivered-to', 'x-original-to'].flatMap((name) =>
    headerTexts(fields, name, defects).map((text) => cleanText(text.replace(/^<|>$/g, '').trim(), defects)),
  );
  return [...new Set(addresses.filter((address) => address !== ''))];
}

/**
 * Why an email counts as automatic: the keyword of Auto-Submitted (`auto-replied`, `auto-generated`), `report` for a
 * delivery or disposition report, `empty-return-path` for one that must not be answered. Null when none applies.
 */
function readAutoSubmitted(fields: HeaderFields, type: string, defects: Defects): string | null {
  const header = headerText(fields, 'auto-submitted', defects);
  const keyword = /^[\w-]{1,40}/.exec(header?.trim().toLowerCase() ?? '')?.[0] ?? null;
  if (keyword !== null && keyword !== 'no') return keyword;
  if (type === 'multipart/report') return 'report';
  const returnPath = headerText(fields, 'return-path', defects);
  return returnPath !== null && /^(?:<\s*>)?$/.test(returnPath) ? 'empty-return-path' : null;
}
