/**
 * What an email says: its headers, text, files and HTML. HTML is loaded only on request, in a frame that may neither run scripts
 * nor load anything.
 */

import type { OpenedEmailJson } from '../../shared/schemas/emails.ts';
import { CONSOLE_API } from './api.ts';
import { defectSentences } from './defects.ts';
import { disclosure } from './disclosure.ts';
import { type Child, element } from './element.ts';
import { emailFiles } from './email-files.ts';
import { formatBytes, formatNumber } from './format-number.ts';
import { gmailLink } from './gmail-link.ts';
import { shortened } from './shortened.ts';
import { fullTimeElement } from './times.ts';

/** Of thousands, the others would hide the files and the text. */
const MAX_RECIPIENTS = 50;

export function emailContent(email: OpenedEmailJson): Child[] {
  return [
    facts(email),
    element(
      'p',
      { class: 'email-links' },
      gmailLink(email.mailbox, email.gmail_message_id),
      element(
        'span',
        {},
        element('a', { href: `${CONSOLE_API}/emails/${email.id}/raw` }, 'Download the original'),
        element(
          'span',
          { class: 'muted' },
          ` ${formatBytes(email.size_bytes)}, exactly as Gmail returned it`,
        ),
      ),
    ),
    email.attachments.length === 0 ? null : emailFiles(email),
    textSection(email),
  ];
}

function facts(email: OpenedEmailJson): HTMLElement {
  const addresses = recipients(email.recipients);
  return element(
    'dl',
    { class: 'facts' },
    ...fact('From', ...sender(email)),
    ...fact('To', ...(addresses.length === 0 ? ['–'] : addresses)),
    ...fact('Received', fullTimeElement(email.received_at)),
    ...(email.sent_at === null ? [] : fact('Sent', fullTimeElement(email.sent_at))),
    ...fact('Mailbox', element('bdi', {}, email.mailbox)),
    ...fact('Gmail ID', element('code', {}, email.gmail_message_id)),
    ...(email.auto_submitted === null
      ? []
      : fact('Sent by', `a program (${shortened(email.auto_submitted)})`)),
    ...(email.list_id === null ? [] : fact('List', element('bdi', {}, shortened(email.list_id)))),
    ...(email.defects.length === 0 ? [] : fact('Notes', defectSentences(email.defects).join(' '))),
  );
}

function fact(name: string, ...value: readonly Child[]): Child[] {
  return [element('dt', {}, name), element('dd', {}, ...value)];
}

/** `pre` with `dir=auto` gives each line the direction of its own text. */
function textSection(email: OpenedEmailJson): HTMLElement {
  const text = email.plain_text ?? (email.body_text?.trim() ? email.body_text : null);
  const isTruncated = email.plain_text === null ? email.body_text_truncated : email.plain_text_truncated;
  const noText = email.has_html ? 'This email has no plain text, only HTML.' : 'This email has no text.';
  return element(
    'section',
    { 'aria-labelledby': 'email-text-title' },
    element('h3', { id: 'email-text-title' }, 'Text'),
    text === null
      ? element('p', { class: 'muted' }, noText)
      : element('pre', { class: 'text', dir: 'auto' }, text),
    isTruncated
      ? element('p', { class: 'muted' }, 'The text is truncated. Download the original to read all of it.')
      : null,
    email.has_html ? htmlView(email) : null,
  );
}

/** The HTML is not requested before the operator presses the button. */
function htmlView(email: OpenedEmailJson): HTMLElement {
  const { control, panel } = disclosure({
    id: 'email-html',
    show: 'Show HTML',
    hide: 'Hide HTML',
    content: () =>
      element('iframe', {
        sandbox: '',
        referrerpolicy: 'no-referrer',
        title: 'HTML of the email, without scripts or remote content',
        src: `${CONSOLE_API}/emails/${email.id}/html`,
      }),
  });
  return element('div', {}, control, panel);
}

/** The stored sender is `Name <address>`. */
function sender({ sender: text, sender_address: address }: OpenedEmailJson): Child[] {
  if (address === null) return [element('bdi', {}, shortened(text ?? '–'))];
  const suffix = `<${address}>`;
  return nameAndAddress(text?.endsWith(suffix) ? text.slice(0, -suffix.length).trim() : '', address);
}

/** @param value `{to: [...], cc: [...]}`, each entry a string or `{name, address}` */
function recipients(value: unknown): Child[] {
  if (typeof value !== 'object' || value === null) return [];
  const all = Object.entries(value).flatMap(([field, list]) =>
    (Array.isArray(list) ? list : [])
      .map(recipient)
      .filter((nodes) => nodes.length > 0)
      .map((nodes) => (field === 'to' ? nodes : [...nodes, ` (${field.replaceAll('_', ' ')})`])),
  );
  const shown = all
    .slice(0, MAX_RECIPIENTS)
    .flatMap((nodes, index) => (index === 0 ? nodes : [', ', ...nodes]));
  const moreCount = all.length - MAX_RECIPIENTS;
  return moreCount > 0 ? [...shown, ` and ${formatNumber(moreCount)} more`] : shown;
}

function recipient(one: unknown): Child[] {
  if (typeof one === 'string') return one === '' ? [] : [element('bdi', {}, shortened(one))];
  if (typeof one !== 'object' || one === null) return [];
  const { address, name } = one as { address?: unknown; name?: unknown };
  return nameAndAddress(typeof name === 'string' ? name : '', typeof address === 'string' ? address : '');
}

/** Each isolated, so that a name of another direction moves neither the address nor the next recipient. */
function nameAndAddress(name: string, address: string): Child[] {
  if (name === '' && address === '') return [];
  if (name === '' || address === '') return [element('bdi', {}, shortened(name || address))];
  return [element('bdi', {}, shortened(name)), ' <', element('bdi', {}, shortened(address)), '>'];
}
