/**
 * The last stage of every string that leaves the reader: what PostgreSQL's text type cannot hold is taken
 * out here and nowhere else.
 */

import type { Defects } from '../parsed-email.ts';

/** Valid UTF-8 without NUL: NULs are removed, lone surrogates become U+FFFD. A clean string is not copied. */
export function cleanText(text: string, defects: Defects): string {
  let clean = text;
  if (clean.includes('\0')) {
    defects.add('text_nul_removed');
    clean = clean.replaceAll('\0', '');
  }
  if (!clean.isWellFormed()) {
    defects.add('text_undecodable');
    clean = clean.toWellFormed();
  }
  return clean;
}
