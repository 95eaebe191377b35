/**
 * The last step for every string that the parser returns: removes what PostgreSQL's text type cannot store.
 * No other module does this.
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
