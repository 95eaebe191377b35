/** Renders one email of a list: a link that opens the email, and its attachments. */

import type { EmailJson } from '../../shared/schemas/emails.ts';
import { attachmentLinks } from './attachment-links.ts';
import { defectWarnings } from './defects.ts';
import { element } from './element.ts';
import { emailPath } from './email-route.ts';
import { pluralize } from './format-number.ts';
import { timeElement } from './times.ts';

/** What the link that opens an email shows. */
export type EmailHead = Pick<EmailJson, 'id' | 'sender' | 'sender_address' | 'subject' | 'received_at'>;

/** A link to the view of the email. */
export function emailOpener(email: EmailHead): HTMLAnchorElement {
  return element(
    'a',
    { class: 'open', href: emailPath(email.id) },
    element('bdi', { class: 'sender', title: email.sender_address }, senderName(email)),
    element('bdi', { class: 'subject' }, subjectText(email)),
    timeElement(email.received_at),
  );
}

export function emailRow(email: EmailJson): HTMLLIElement {
  const warnings = defectWarnings(email.defects);
  return element(
    'li',
    {},
    emailOpener(email),
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
