/**
 * One email, opened: its text as text. HTML is shown only when asked for, in a frame that may run nothing and load
 * nothing. Escape closes it, and the focus goes back to where it was: the browser's own dialog sees to both.
 */

import type { EmailJson, OpenedEmailJson } from '../../shared/schemas/emails.ts';
import { CONSOLE_API, get } from './api.ts';
import { attachmentLinks } from './attachment-links.ts';
import { button, byId, type Child, element, fill } from './element.ts';
import { subjectOf } from './email-row.ts';
import { toProblem } from './notices.ts';
import { formatBytes } from './format-number.ts';
import { recipientsText } from './recipients.ts';
import { withInlineCode } from './inline-code.ts';
import { fullTimeElement } from './times.ts';

export function wireEmailDialog(): void {
  const dialog = byId<HTMLDialogElement>('email');
  byId('email-close').addEventListener('click', () => dialog.close());
  // A click beside it.
  dialog.addEventListener('click', (event) => {
    if (event.target === dialog) dialog.close();
  });
  // The frame's content goes with the dialog.
  dialog.addEventListener('close', () => fill(byId('email-body')));
}

export async function openEmail(email: EmailJson): Promise<void> {
  const dialog = byId<HTMLDialogElement>('email');
  const body = byId('email-body');
  dialog.dataset['emailId'] = String(email.id);
  fill(byId('email-subject'), element('bdi', {}, subjectOf(email)));
  fill(body, element('p', { class: 'quiet' }, 'Loading…'));
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
  try {
    const whole = await get<OpenedEmailJson>(`${CONSOLE_API}/emails/${email.id}`);
    if (isStillOpen(dialog, email)) fill(body, ...contents(whole));
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

function isStillOpen(dialog: HTMLDialogElement, email: EmailJson): boolean {
  return dialog.open && dialog.dataset['emailId'] === String(email.id);
}

function contents(email: OpenedEmailJson): Child[] {
  const text = email.body_text?.trim() ? email.body_text : null;
  return [
    element(
      'dl',
      { class: 'facts' },
      ...fact('From', element('bdi', {}, email.sender ?? email.sender_address ?? '–')),
      ...fact('To', element('bdi', {}, recipientsText(email.recipients) || '–')),
      ...fact('Received', fullTimeElement(email.received_at)),
      ...fact('Stored', fullTimeElement(email.stored_at)),
      ...(email.sent_at === null ? [] : fact('Sent', fullTimeElement(email.sent_at))),
      ...fact('Gmail id', element('code', {}, email.gmail_message_id)),
      ...fact('Processed', email.processed ? 'yes' : 'not yet'),
      ...(email.defects.length === 0 ? [] : fact('Read incompletely', email.defects.join(', '))),
    ),
    email.attachments.length === 0 ? null : attachmentLinks(email.attachments),
    text === null
      ? element(
          'p',
          { class: 'quiet' },
          email.has_html ? 'It has no plain text, only HTML.' : 'It has no text.',
        )
      : element('pre', { class: 'text', tabindex: 0, 'aria-label': 'Text of the email' }, text),
    email.body_text_truncated
      ? element(
          'p',
          { class: 'quiet' },
          'The text is longer than is shown here. The original holds all of it.',
        )
      : null,
    email.has_html ? htmlView(email) : null,
    element(
      'p',
      {},
      element('a', { href: `${CONSOLE_API}/emails/${email.id}/raw`, download: true }, 'Download the original'),
      element('span', { class: 'quiet' }, ` ${formatBytes(email.size_bytes)}, byte for byte as Gmail has it`),
    ),
  ];
}

function fact(name: string, value: Child): Child[] {
  return [element('dt', {}, name), element('dd', {}, value)];
}

/** Nothing is asked for before the button is pressed. */
function htmlView(email: OpenedEmailJson): HTMLElement {
  const place = element('div', { class: 'html' });
  const toggle = button(
    'Show HTML',
    () => {
      const isShown = toggle.getAttribute('aria-expanded') === 'true';
      toggle.setAttribute('aria-expanded', String(!isShown));
      toggle.textContent = isShown ? 'Show HTML' : 'Hide HTML';
      fill(
        place,
        isShown
          ? null
          : element('iframe', {
              sandbox: '',
              referrerpolicy: 'no-referrer',
              title: 'HTML of the email, without scripts and remote content',
              src: `${CONSOLE_API}/emails/${email.id}/html`,
            }),
      );
    },
    { 'aria-expanded': 'false' },
  );
  return element('div', {}, toggle, place);
}
