/** Parses the opened email again from its stored bytes, and shows what changed. */

import type { OpenedEmailJson, ReprocessedJson } from '../../shared/schemas/emails.ts';
import { CONSOLE_API, postJson } from './api.ts';
import { button, type Child, element } from './element.ts';
import { outcomeElement, runEmailAction } from './email-action.ts';
import { formatBytes } from './format-number.ts';

/** @param onChange called after the stored email has changed */
export function emailReprocess(email: OpenedEmailJson, onChange: () => Promise<void>): HTMLElement {
  const outcome = outcomeElement();
  const reset = element('input', { type: 'checkbox', id: 'reset-processed' });
  const control = button(
    'Parse again',
    (self) =>
      void runEmailAction(self, outcome, async () => {
        const reprocessed = await postJson<ReprocessedJson>(`${CONSOLE_API}/emails/${email.id}/reprocess`, {
          reset_processed: reset.checked,
        });
        if (reprocessed.result === 'changed') await onChange();
        return resultText(reprocessed);
      }),
  );
  return element(
    'section',
    { 'aria-labelledby': 'email-reprocess-title' },
    element('h3', { id: 'email-reprocess-title' }, 'Parse again'),
    element(
      'p',
      { class: 'muted' },
      'Reads the stored original again with the present parser. The original stays as it is.',
    ),
    element(
      'p',
      { class: 'option' },
      reset,
      element(
        'label',
        { for: 'reset-processed' },
        'If anything changes, set ',
        element('code', {}, 'processed'),
        ' to false',
      ),
    ),
    control,
    outcome,
  );
}

function resultText({ columns, files, processed_reset: isReset, result }: ReprocessedJson): Child[] {
  if (result === 'same') return [element('p', {}, 'Nothing changed.')];
  if (result === 'newer_parser')
    return [element('p', {}, 'Nothing changed: a newer version of the parser has read this email.')];
  return [
    columns.length === 0 ? null : element('p', {}, 'Changed columns: ', ...codes(columns), '.'),
    files.length === 0 ? null : element('ul', {}, ...files.map(fileChange)),
    isReset ? element('p', {}, 'The email is not processed now.') : null,
  ];
}

function codes(names: readonly string[]): Child[] {
  return names.flatMap((name, index) => [index === 0 ? null : ', ', element('code', {}, name)]);
}

function fileChange({ before, columns, kind, now }: ReprocessedJson['files'][number]): HTMLLIElement {
  const file = now ?? before;
  return element(
    'li',
    {},
    `File ${kind}: `,
    element('bdi', {}, file?.filename ?? ''),
    kind === 'changed' ? ' (' : ` (${formatBytes(file?.size_bytes ?? 0)})`,
    ...(kind === 'changed' ? [...codes(columns), ')'] : []),
  );
}
