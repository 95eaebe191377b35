/** A link to a message in Gmail, in the account of its mailbox if the browser is logged in to it. */
import { element } from './element.ts';

export function gmailLink(mailbox: string, gmailMessageId: string): HTMLAnchorElement {
  return element(
    'a',
    {
      href: `https://mail.google.com/mail/?authuser=${encodeURIComponent(mailbox)}#all/${encodeURIComponent(gmailMessageId)}`,
      rel: 'noopener noreferrer',
      target: '_blank',
    },
    'Open in Gmail',
    element('span', { class: 'visually-hidden' }, ` (${gmailMessageId}, new tab)`),
  );
}
