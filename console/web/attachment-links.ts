/** Renders the attachments of an email as download links. */

import type { AttachmentJson } from '../../shared/schemas/emails.ts';
import { CONSOLE_API } from './api.ts';
import { element } from './element.ts';
import { formatBytes } from './format-number.ts';

/**
 * Inline attachments come last, because they are rarely the attachment that an operator looks for.
 *
 * @param maxCount further attachments are left out
 */
export function attachmentLinks(
  attachments: readonly AttachmentJson[],
  maxCount = Number.POSITIVE_INFINITY,
): HTMLUListElement {
  const sorted = [...attachments].sort((a, b) => Number(a.is_inline) - Number(b.is_inline) || a.id - b.id);
  return element(
    'ul',
    { class: 'attachments' },
    ...sorted.slice(0, maxCount).map((attachment) =>
      element(
        'li',
        {},
        element(
          'a',
          {
            href: `${CONSOLE_API}/attachments/${attachment.id}`,
            title: `${attachment.filename}, declared as ${attachment.content_type}`,
          },
          element('bdi', {}, attachment.filename),
          element('span', { class: 'muted' }, ` ${formatBytes(attachment.file_size_bytes)}`),
        ),
      ),
    ),
  );
}
