/**
 * The files of an email: each with a download, and a preview when its bytes are a picture or a PDF. A preview is requested when
 * its button is pressed, because the server records it.
 */

import type { OpenedAttachmentJson, OpenedEmailJson } from '../../shared/schemas/emails.ts';
import { CONSOLE_API } from './api.ts';
import { disclosure } from './disclosure.ts';
import { type Child, element, fill } from './element.ts';
import { formatBytes, pluralize } from './format-number.ts';

/** Inline images come last, because they are rarely the file that an operator looks for. */
export function emailFiles({ attachments, id }: OpenedEmailJson): HTMLElement {
  const sorted = [...attachments].sort((a, b) => Number(a.is_inline) - Number(b.is_inline) || a.id - b.id);
  const sizeBytes = sorted.reduce((sum, file) => sum + file.file_size_bytes, 0);
  return element(
    'section',
    { 'aria-labelledby': 'email-files-title' },
    element('h3', { id: 'email-files-title' }, pluralize(sorted.length, 'file')),
    element('ul', { class: 'files' }, ...sorted.map(fileRow)),
    sorted.length < 2
      ? null
      : element(
          'p',
          {},
          element('a', { href: `${CONSOLE_API}/emails/${id}/files.zip` }, 'Download all files as one zip'),
          element('span', { class: 'muted' }, ` ${formatBytes(sizeBytes)}`),
        ),
  );
}

function fileRow(file: OpenedAttachmentJson): HTMLLIElement {
  return element(
    'li',
    {},
    element(
      'span',
      { class: 'file-name' },
      element(
        'a',
        { href: fileUrl(file), title: `Declared as ${file.content_type}` },
        element('bdi', {}, file.filename),
      ),
      element(
        'span',
        { class: 'muted' },
        ` ${formatBytes(file.file_size_bytes)}${file.is_inline ? ', part of the HTML' : ''}`,
      ),
    ),
    ...previewOf(file),
  );
}

function fileUrl({ id }: OpenedAttachmentJson): string {
  return `${CONSOLE_API}/attachments/${id}`;
}

function previewOf(file: OpenedAttachmentJson): Child[] {
  if (file.preview === null) return [];
  if (file.preview === 'pdf' && !navigator.pdfViewerEnabled)
    return [element('span', { class: 'muted' }, 'This browser shows no PDF.')];
  const { control, panel } = disclosure({
    id: `file-${file.id}`,
    show: 'Show',
    hide: 'Hide',
    about: file.filename,
    content: () => (file.preview === 'pdf' ? pdfFrame(file) : picture(file)),
  });
  return [control, panel];
}

function picture(file: OpenedAttachmentJson): HTMLElement {
  const image = element('img', { src: `${fileUrl(file)}/preview`, alt: file.filename, loading: 'lazy' });
  const box = element('div', { class: 'picture' }, image);
  image.addEventListener('error', () =>
    fill(box, element('p', {}, 'The picture cannot be shown. Download the file.')),
  );
  return box;
}

/**
 * Without the attribute `sandbox`, in which Chromium does not load its viewer. The response has its own policy, but no policy
 * stops a link in a PDF: the viewer opens it in place of the whole page.
 */
function pdfFrame(file: OpenedAttachmentJson): HTMLElement {
  return element(
    'div',
    {},
    element(
      'p',
      { class: 'muted' },
      'A link inside the PDF leads away from this page, to an address that the sender chose. ',
      element(
        'a',
        { href: `${fileUrl(file)}/preview`, target: '_blank', rel: 'noopener noreferrer' },
        'Open the PDF in a new tab',
      ),
    ),
    element('iframe', {
      class: 'pdf',
      referrerpolicy: 'no-referrer',
      title: `PDF ${file.filename}`,
      src: `${fileUrl(file)}/preview#navpanes=0&view=FitH`,
    }),
  );
}
