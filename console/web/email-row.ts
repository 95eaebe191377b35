/** Renders one email of a list: a link that opens the email, and its attachments. */

import type { EmailJson } from '../../shared/schemas/emails.ts';
import { attachmentLinks } from './attachment-links.ts';
import { defectWarnings } from './defects.ts';
import { element } from './element.ts';
import { emailPath } from './email-route.ts';
import { formatNumber } from './format-number.ts';
import { shortened } from './shortened.ts';
import { timeElement } from './times.ts';

/** A row of a list shows at most this number of files. */
const MAX_ROW_FILES = 3;

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

/** @param showsMailbox the page shows emails of several mailboxes */
export function emailRow(email: EmailJson, showsMailbox: boolean): HTMLLIElement {
  const warnings = defectWarnings(email.defects);
  return element(
    'li',
    {},
    emailOpener(email),
    email.attachment_count === 0 ? null : attachmentSummary(email),
    warnings.length === 0 ? null : element('p', { class: 'defects' }, warnings.join(' ')),
    showsMailbox
      ? element('p', { class: 'email-mailbox' }, 'Mailbox ', element('bdi', {}, email.mailbox))
      : null,
  );
}

/** The first files, and a link to the email when there are more. */
function attachmentSummary(email: EmailJson): HTMLUListElement {
  const summary = attachmentLinks(email.attachments, MAX_ROW_FILES);
  const moreCount = email.attachment_count - summary.childElementCount;
  if (moreCount === 0) return summary;
  const more = element(
    'a',
    {
      class: 'more-files',
      href: emailPath(email.id),
      'aria-label': `+ ${formatNumber(moreCount)} more attachments of ${subjectText(email)}`,
    },
    `+ ${formatNumber(moreCount)} more`,
  );
  summary.append(element('li', {}, more));
  return summary;
}

export function subjectText({ subject }: Pick<EmailJson, 'subject'>): string {
  return shortened(subject?.trim() || '(no subject)');
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
  return shortened(name || address || '(no sender)');
}
