/**
 * Address headers as senders write them: names with unquoted commas, parentheses and quotes, groups, missing brackets.
 * It does not use a library, because standard address parsers split at every comma and drop unknown text: names are lost, and
 * words become addresses. Linear in the header's length.
 *
 * Invariant: nothing is dropped. Text without an address is returned as a name.
 */

import { cleanText } from '../encoding/clean-text.ts';
import type { Defects, EmailAddress } from '../parsed-email.ts';
import { splitMailboxes } from './address-list.ts';
import { decodeWords } from './encoded-words.ts';
import type { HeaderFields } from './header-block.ts';
import { headerTexts } from './header-text.ts';

/** Every address of every field of that name. An empty group (`undisclosed-recipients:;`) returns none. */
export function readAddresses(fields: HeaderFields, name: string, defects: Defects): EmailAddress[] {
  return headerTexts(fields, name, defects).flatMap((text) => {
    if (isEmptyGroup(text)) return [];
    return splitMailboxes(text).flatMap((entry) => {
      const decoded = cleanText(decodeWords(entry.name, defects), defects).replace(/\s+/g, ' ').trim();
      if (entry.address !== null) return [toAddress(decoded, cleanText(entry.address, defects))];
      if (decoded === '') return [];
      // Some senders encode the whole mailbox, including brackets and address.
      const inner = decoded === entry.name ? [] : splitMailboxes(decoded);
      if (inner.length > 0 && inner.every(({ address }) => address !== null))
        return inner.map((one) => toAddress(one.name, one.address ?? ''));
      defects.add('address_unreadable');
      return [{ name: decoded, address: null }];
    });
  });
}

/** The domain in lower case; the local part as it is, because it may be case-sensitive. */
function toAddress(name: string, address: string): EmailAddress {
  const at = address.lastIndexOf('@');
  return {
    name: name === '' ? null : name,
    address: address.slice(0, at) + address.slice(at).toLowerCase(),
  };
}

/**
 * `Undisclosed recipients:;` has no members, also in quotes, in brackets or before a comment. Text with an @ is never an empty
 * group.
 */
function isEmptyGroup(text: string): boolean {
  if (text.includes('@')) return false;
  const label = text.slice(-200).replace(/\([^()]*\)\s*$/, '');
  return (
    /:[\s,;<>"]*$/.test(label) || /^["<]?(?:undisclosed|unlisted)[- ]recipients?[">]?$/i.test(label.trim())
  );
}
