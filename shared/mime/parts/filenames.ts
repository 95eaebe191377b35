/** The name under which an attachment is kept: safe to show and to write to a disk, never empty. */

import type { Defects } from '../parsed-email.ts';

/** What file systems take, in UTF-16 units. */
const MAX_LENGTH = 255;

/** Extensions for parts that have a type but no name; the types that mail brings without one. */
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
 * The declared name without folders, control characters and marks that turn the writing direction; null
 * when nothing is left.
 */
export function cleanFilename(declared: string, defects: Defects): string | null {
  const name = declared
    .replace(/\p{Cc}|[\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/gu, '')
    .toWellFormed()
    .split(/[/\\]/)
    .map((piece) => piece.trim())
    .findLast((piece) => piece !== '' && !/^\.+$/.test(piece));
  if (name === undefined) return null;
  if (name.length <= MAX_LENGTH) return name;
  defects.add('filename_shortened');
  const extension = /\.[^.\s]{1,16}$/.exec(name.slice(-20))?.[0] ?? '';
  return name.slice(0, MAX_LENGTH - extension.length).toWellFormed() + extension;
}

/**
 * A name for the n-th attachment when the mail gives none.
 *
 * @param types from the surest to the vaguest; the first with a known extension decides
 */
export function inventFilename(ordinal: number, types: readonly (string | null)[]): string {
  const extensions = types.map((type) => {
    if (type === null) return undefined;
    return EXTENSIONS.get(type) ?? (/^(?:message|multipart)\//.test(type) ? 'eml' : undefined);
  });
  return `attachment-${ordinal}.${extensions.find((extension) => extension !== undefined) ?? 'bin'}`;
}
