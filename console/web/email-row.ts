/** Renders one email of a list: a button that opens the email, and its attachments. */

import type { EmailJson } from '../../shared/schemas/emails.ts';
import { attachmentLinks } from './attachment-links.ts';
import { defectWarnings } from './defects.ts';
import { element } from './element.ts';
import { pluralize } from './format-number.ts';
import { timeElement } from './times.ts';

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

export function emailRow(email: EmailJson, open: (email: EmailJson) => void): HTMLLIElement {
  const warnings = defectWarnings(email.defects);
  return element(
    'li',
    {},
    emailOpener(email, open),
    email.attachments.length === 0 ? null : attachmentLinks(email.attachments),
    email.attachments.length === email.attachment_count
      ? null
      : element(
          'p',
          { class: 'muted' },
          `${pluralize(email.attachment_count, 'attachment')} in total. Open the email to see all of them.`,
        ),
    warnings.length === 0 ? null : element('p', { class: 'defects' }, warnings.join(' ')),
  );
}

export function subjectText({ subject }: Pick<EmailJson, 'subject'>): string {
  return subject?.trim() || '(no subject)';
}

/** Without the address, which the tooltip shows. */
export function senderName({
  sender,
  sender_address: address,
}: Pick<EmailHead, 'sender' | 'sender_address'>): string {
  const name = (sender ?? '')
    .replace(/<[^<>]*>\s*$/, '')
    .replaceAll('"', '')
    .trim();
  return name || address || '(no sender)';
}
