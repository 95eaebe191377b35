/** The recipients of an email as one line, whatever form their list has. */

/** `{to: [...], cc: [...]}`, each one a text or `{name, address}`. */
export function recipientsText(recipients: unknown): string {
  if (typeof recipients !== 'object' || recipients === null) return '';
  return Object.entries(recipients)
    .flatMap(([field, list]) =>
      (Array.isArray(list) ? list : [])
        .map(one)
        .filter((text) => text !== '')
        .map((text) => (field === 'to' ? text : `${text} (${field})`)),
    )
    .join(', ');
}

function one(recipient: unknown): string {
  if (typeof recipient === 'string') return recipient;
  if (typeof recipient !== 'object' || recipient === null) return '';
  const { address, name } = recipient as { address?: unknown; name?: unknown };
  const place = typeof address === 'string' ? address : '';
  return typeof name === 'string' && name !== '' ? `${name} <${place}>` : place;
}
