/** One email in the list: a button that opens it, and its attachments. */

import type { EmailJson } from '../../shared/schemas/emails.ts';
import { attachmentLinks } from './attachment-links.ts';
import { element } from './element.ts';
import { pluralize } from './format-number.ts';
import { timeElement } from './times.ts';

export function emailRow(email: EmailJson, open: (email: EmailJson) => void): HTMLLIElement {
  const opener = element(
    'button',
    { type: 'button', class: 'open', 'aria-haspopup': 'dialog' },
    element('bdi', { class: 'sender', title: email.sender_address }, senderOf(email)),
    element('bdi', { class: 'subject' }, subjectOf(email)),
    timeElement(email.received_at),
  );
  opener.addEventListener('click', () => open(email));
  return element(
    'li',
    {},
    opener,
    email.attachments.length === 0 ? null : attachmentLinks(email.attachments),
    email.attachments.length === email.attachment_count
      ? null
      : element(
          'p',
          { class: 'quiet' },
          `${pluralize(email.attachment_count, 'attachment')} in all: opened, the email shows them.`,
        ),
    email.defects.length === 0
      ? null
      : element('p', { class: 'defects' }, `Read incompletely: ${email.defects.join(', ')}`),
  );
}

export function subjectOf({ subject }: Pick<EmailJson, 'subject'>): string {
  return subject?.trim() || '(no subject)';
}

/** The name without the address, which the title holds. */
function senderOf({ sender, sender_address: address }: EmailJson): string {
  const name = (sender ?? '')
    .replace(/<[^<>]*>\s*$/, '')
    .replaceAll('"', '')
    .trim();
  return name || address || '(no sender)';
}
