/** Renders one email of a list: a button that opens the email, and its attachments. */

import type { EmailJson } from '../../shared/schemas/emails.ts';
import { attachmentLinks } from './attachment-links.ts';
import { defectWarnings } from './defects.ts';
import { button, element } from './element.ts';
import { formatNumber } from './format-number.ts';
import { timeElement } from './times.ts';

/** A row of a list shows at most this number of files. */
const MAX_ROW_FILES = 3;

/** What the button that opens an email shows. */
export type EmailHead = Pick<EmailJson, 'id' | 'sender' | 'sender_address' | 'subject' | 'received_at'>;

export function emailOpener<Email extends EmailHead>(
  email: Email,
  open: (email: Email) => void,
): HTMLButtonElement {
  const opener = element(
    'button',
    { type: 'button', class: 'open', 'aria-haspopup': 'dialog' },
    element('bdi', { class: 'sender', title: email.sender_address }, senderName(email)),
    element('bdi', { class: 'subject' }, subjectText(email)),
    timeElement(email.received_at),
  );
  opener.addEventListener('click', () => open(email));
  return opener;
}

/** @param showsMailbox the page shows emails of several mailboxes */
export function emailRow(
  email: EmailJson,
  open: (email: EmailJson) => void,
  showsMailbox: boolean,
): HTMLLIElement {
  const warnings = defectWarnings(email.defects);
  return element(
    'li',
    {},
    emailOpener(email, open),
    email.attachment_count === 0 ? null : attachmentSummary(email, open),
    warnings.length === 0 ? null : element('p', { class: 'defects' }, warnings.join(' ')),
    showsMailbox
      ? element('p', { class: 'email-mailbox' }, 'Mailbox ', element('bdi', {}, email.mailbox))
      : null,
  );
}

/** The first files, and a button that opens the email when there are more. */
function attachmentSummary(email: EmailJson, open: (email: EmailJson) => void): HTMLUListElement {
  const summary = attachmentLinks(email.attachments, MAX_ROW_FILES);
  const moreCount = email.attachment_count - summary.childElementCount;
  if (moreCount === 0) return summary;
  const more = button(`+ ${formatNumber(moreCount)} more`, () => open(email), {
    class: 'more-files',
    'aria-haspopup': 'dialog',
    'aria-label': `+ ${formatNumber(moreCount)} more attachments of ${subjectText(email)}`,
  });
  summary.append(element('li', {}, more));
  return summary;
}

export function subjectText({ subject }: Pick<EmailJson, 'subject'>): string {
  return subject?.trim() || '(no subject)';
}

/** Without the address, which the tooltip shows. */
function senderName({ sender, sender_address: address }: EmailHead): string {
  const name = (sender ?? '')
    .replace(/<[^<>]*>\s*$/, '')
    .replaceAll('"', '')
    .trim();
  return name || address || '(no sender)';
}
