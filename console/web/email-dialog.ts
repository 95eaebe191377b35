/**
 * The dialog that shows one email. The body is shown as text. HTML is loaded only on request, in a frame that may neither run
 * scripts nor load anything. The native dialog closes on Escape and restores the focus.
 */

import type { OpenedEmailJson } from '../../shared/schemas/emails.ts';
import { CONSOLE_API, get } from './api.ts';
import { attachmentLinks } from './attachment-links.ts';
import { defectSentences } from './defects.ts';
import { button, byId, type Child, element, fill } from './element.ts';
import { emailProcessing } from './email-processing.ts';
import { type EmailHead, subjectText } from './email-row.ts';
import { formatBytes } from './format-number.ts';
import { withInlineCode } from './inline-code.ts';
import { toProblem } from './notices.ts';
import { fullTimeElement } from './times.ts';

export function wireEmailDialog(): void {
  const dialog = byId<HTMLDialogElement>('email');
  byId('email-close').addEventListener('click', () => dialog.close());
  // A click on the backdrop has the dialog itself as its target.
  dialog.addEventListener('click', (event) => {
    if (event.target === dialog) dialog.close();
  });
  // Removes the HTML frame too.
  dialog.addEventListener('close', () => fill(byId('email-body')));
}

export async function openEmail(email: Pick<EmailHead, 'id' | 'subject'>): Promise<void> {
  const dialog = byId<HTMLDialogElement>('email');
  const body = byId('email-body');
  dialog.dataset['emailId'] = String(email.id);
  fill(byId('email-subject'), element('bdi', {}, subjectText(email)));
  fill(body, element('p', { class: 'muted' }, 'Loading…'));
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
  try {
    const opened = await get<OpenedEmailJson>(`${CONSOLE_API}/emails/${email.id}`);
    if (isStillOpen(dialog, email)) fill(body, ...renderEmail(opened));
  } catch (error) {
    const { remediation, detail, title } = toProblem(error);
    if (!isStillOpen(dialog, email)) return;
    fill(
      body,
      element('p', { class: 'error-title' }, title),
      element('p', {}, detail),
      element('p', { class: 'remediation' }, ...withInlineCode(remediation)),
      button('Try again', () => void openEmail(email)),
    );
  }
}

function isStillOpen(dialog: HTMLDialogElement, email: Pick<EmailHead, 'id'>): boolean {
  return dialog.open && dialog.dataset['emailId'] === String(email.id);
}

function renderEmail(email: OpenedEmailJson): Child[] {
  const text = email.plain_text ?? (email.body_text?.trim() ? email.body_text : null);
  const isTruncated = email.plain_text === null ? email.body_text_truncated : email.plain_text_truncated;
  const noText = email.has_html ? 'This email has no plain text, only HTML.' : 'This email has no text.';
  return [
    element(
      'dl',
      { class: 'facts' },
      ...fact('From', element('bdi', {}, email.sender ?? email.sender_address ?? '–')),
      ...fact('To', element('bdi', {}, recipientsText(email.recipients) || '–')),
      ...fact('Received', fullTimeElement(email.received_at)),
      ...fact('Stored', fullTimeElement(email.stored_at)),
      ...(email.sent_at === null ? [] : fact('Sent', fullTimeElement(email.sent_at))),
      ...fact('Gmail ID', element('code', {}, email.gmail_message_id)),
      ...fact('Processed', email.processed ? 'yes' : 'not yet'),
      ...(email.auto_submitted === null ? [] : fact('Sent by', `a program (${email.auto_submitted})`)),
      ...(email.list_id === null ? [] : fact('List', element('bdi', {}, email.list_id))),
      ...(email.defects.length === 0 ? [] : fact('Notes', defectSentences(email.defects).join(' '))),
    ),
    email.processing.length === 0 ? null : emailProcessing(email.processing),
    email.attachments.length === 0 ? null : attachmentLinks(email.attachments),
    text === null
      ? element('p', { class: 'muted' }, noText)
      : element('pre', { class: 'text', tabindex: 0, 'aria-label': 'Text of the email' }, text),
    isTruncated
      ? element('p', { class: 'muted' }, 'The text is truncated. Download the original to read all of it.')
      : null,
    email.has_html ? renderHtmlView(email) : null,
    element(
      'p',
      {},
      element('a', { href: `${CONSOLE_API}/emails/${email.id}/raw` }, 'Download the original'),
      element('span', { class: 'muted' }, ` ${formatBytes(email.size_bytes)}, exactly as Gmail returned it`),
    ),
  ];
}

function fact(name: string, value: Child): Child[] {
  return [element('dt', {}, name), element('dd', {}, value)];
}

/** The HTML is not requested before the operator presses the button. */
function renderHtmlView(email: OpenedEmailJson): HTMLElement {
  const container = element('div', { class: 'html' });
  const toggle = button(
    'Show HTML',
    () => {
      const isShown = toggle.getAttribute('aria-expanded') === 'true';
      toggle.setAttribute('aria-expanded', String(!isShown));
      toggle.textContent = isShown ? 'Show HTML' : 'Hide HTML';
      fill(
        container,
        isShown
          ? null
          : element('iframe', {
              sandbox: '',
              referrerpolicy: 'no-referrer',
              title: 'HTML of the email, without scripts or remote content',
              src: `${CONSOLE_API}/emails/${email.id}/html`,
            }),
      );
    },
    { 'aria-expanded': 'false' },
  );
  return element('div', {}, toggle, container);
}

/** @param recipients `{to: [...], cc: [...]}`, each entry a string or `{name, address}` */
function recipientsText(recipients: unknown): string {
  if (typeof recipients !== 'object' || recipients === null) return '';
  return Object.entries(recipients)
    .flatMap(([field, list]) =>
      (Array.isArray(list) ? list : [])
        .map(recipientText)
        .filter((text) => text !== '')
        .map((text) => (field === 'to' ? text : `${text} (${field})`)),
    )
    .join(', ');
}

function recipientText(recipient: unknown): string {
  if (typeof recipient === 'string') return recipient;
  if (typeof recipient !== 'object' || recipient === null) return '';
  const { address, name } = recipient as { address?: unknown; name?: unknown };
  const addressText = typeof address === 'string' ? address : '';
  return typeof name === 'string' && name !== '' ? `${name} <${addressText}>` : addressText;
}
