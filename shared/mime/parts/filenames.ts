/** The stored name of an attachment: safe to show and to write to a disk, never empty. */

import type { Defects } from '../parsed-email.ts';

/** The limit of file systems, in UTF-16 units. */
const MAX_LENGTH = 255;

/** Extensions for parts that have a type but no name; the types that occur without a name in emails. */
const EXTENSIONS: ReadonlyMap<string, string> = new Map([
  ['application/json', 'json'],
  ['application/msword', 'doc'],
  ['application/ms-tnef', 'dat'],
  ['application/octet-stream', 'bin'],
  ['application/pdf', 'pdf'],
  ['application/pgp-encrypted', 'asc'],
  ['application/pgp-keys', 'asc'],
  ['application/pgp-signature', 'asc'],
  ['application/pkcs7-mime', 'p7m'],
  ['application/pkcs7-signature', 'p7s'],
  ['application/rtf', 'rtf'],
  ['application/vnd.ms-excel', 'xls'],
  ['application/vnd.ms-outlook', 'msg'],
  ['application/vnd.ms-powerpoint', 'ppt'],
  ['application/vnd.openxmlformats-officedocument.presentationml.presentation', 'pptx'],
  ['application/vnd.openxmlformats-officedocument.spreadsheetml.sheet', 'xlsx'],
  ['application/vnd.openxmlformats-officedocument.wordprocessingml.document', 'docx'],
  ['application/x-pkcs7-mime', 'p7m'],
  ['application/x-pkcs7-signature', 'p7s'],
  ['application/xml', 'xml'],
  ['application/zip', 'zip'],
  ['image/bmp', 'bmp'],
  ['image/gif', 'gif'],
  ['image/jpeg', 'jpg'],
  ['image/png', 'png'],
  ['image/svg+xml', 'svg'],
  ['image/tiff', 'tif'],
  ['image/webp', 'webp'],
  ['message/rfc822', 'eml'],
  ['text/calendar', 'ics'],
  ['text/csv', 'csv'],
  ['text/html', 'html'],
  ['text/plain', 'txt'],
  ['text/rfc822-headers', 'txt'],
  ['text/vcard', 'vcf'],
  ['text/x-vcard', 'vcf'],
  ['text/xml', 'xml'],
]);

/**
 * The declared name without folders, control characters and bidirectional marks; null when nothing
 * remains. A slash that is not a path separator, as in `PO 4711/2026.pdf`, becomes a hyphen; a line break becomes a space.
 */
export function cleanFilename(declared: string, defects: Defects): string | null {
  const text = declared
    .replace(/[\t\r\n]+/g, ' ')
    .replace(/\p{Cc}|[\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/gu, '')
    .toWellFormed()
    .replace(/ {2,}/g, ' ')
    .trim();
  const pieces = text
    .split(/[/\\]/)
    .map((piece) => piece.trim())
    .filter((piece) => piece !== '' && !/^\.+$/.test(piece));
  const name = isPath(text) ? pieces.at(-1) : pieces.join('-') || undefined;
  if (name === undefined) return null;
  if (name.length <= MAX_LENGTH) return name;
  defects.add('filename_shortened');
  const extension = /\.[^.\s]{1,16}$/.exec(name.slice(-20))?.[0] ?? '';
  return name.slice(0, MAX_LENGTH - extension.length).toWellFormed() + extension;
}

/** From a root, a drive, a share, a home or a parent folder, or with a scheme. */
function isPath(text: string): boolean {
  return /^(?:[/\\~]|\.{1,2}[/\\]|[a-z]:[/\\]|file:)/i.test(text);
}

/**
 * The name that a Content-Description gives, for files that have no other: it ends in an extension, or the type has one.
 *
 * @param types from the most to the least reliable
 */
export function describedFilename(
  description: string | null,
  types: readonly (string | null)[],
): string | null {
  if (description === null || description.length > 200) return null;
  if (/\.[a-z0-9]{1,5}$/i.test(description)) return description;
  const extension = knownExtension(types);
  return extension === undefined ? null : `${description}.${extension}`;
}

/**
 * A name for the n-th attachment when the email declares none.
 *
 * @param types from the most to the least reliable; the first with a known extension decides
 */
export function inventFilename(ordinal: number, types: readonly (string | null)[]): string {
  return `attachment-${ordinal}.${knownExtension(types) ?? 'bin'}`;
}

function knownExtension(types: readonly (string | null)[]): string | undefined {
  return types
    .map((type) => {
      if (type === null) return undefined;
      return EXTENSIONS.get(type) ?? (/^(?:message|multipart)\//.test(type) ? 'eml' : undefined);
    })
    .find((extension) => extension !== undefined);
}
