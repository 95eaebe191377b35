/** Address headers, by postal-mime's parser: groups flattened, quotes and encoded words resolved. */

import { addressParser } from 'postal-mime';
import { cleanText } from '../encoding/clean-text.ts';
import { decodeWords } from './encoded-words.ts';
import type { HeaderFields } from './header-block.ts';
import { headerTexts } from './header-text.ts';
import type { Defects, EmailAddress } from '../parsed-email.ts';

/**
 * Every address of every field of that name. What is no address is never dropped: it comes out as a name
 * without an address. An empty group (`undisclosed-recipients:;`) has no address and gives none.
 */
export function readAddresses(fields: HeaderFields, name: string, defects: Defects): EmailAddress[] {
  return headerTexts(fields, name, defects).flatMap((text) => {
    const parsed = addressParser(text, { flatten: true })
      .filter((entry) => entry.name !== '' || (entry.address ?? '') !== '')
      .map((entry) => toAddress(entry, defects));
    if (parsed.length > 0 || text === '' || isEmptyGroup(text)) return parsed;
    return [unreadable(decodeWords(text, defects), defects)];
  });
}

/** `Undisclosed recipients:;` names nobody. With an @ in it somebody is meant, however it is written. */
function isEmptyGroup(text: string): boolean {
  return /:[\s,;]*$/.test(text.slice(-100)) && !text.includes('@');
}

function toAddress(entry: { name: string; address?: string | undefined }, defects: Defects): EmailAddress {
  const name = cleanText(entry.name, defects).trim();
  const address = cleanText(entry.address ?? '', defects).trim();
  const at = address.lastIndexOf('@');
  if (at < 0) return unreadable(address === '' ? name : `${name} <${address}>`, defects);
  return {
    name: name === '' ? null : name,
    address: address.slice(0, at) + address.slice(at).toLowerCase(),
  };
}

function unreadable(text: string, defects: Defects): EmailAddress {
  defects.add('address_unreadable');
  return { name: cleanText(text, defects).trim(), address: null };
}
