/** Addresses and names in a piece of the text of an address header. */

export interface Mailbox {
  /** Unquoted, encoded words as they are; empty for none. */
  readonly name: string;
  /** Null when the text contains no address. */
  readonly address: string | null;
}

const ATOM = String.raw`[^\s"(),:;<>@[\\\]]`;
const ADDRESS = new RegExp(String.raw`^(?:"(?:[^"\\]|\\.)*"|${ATOM}+)@(\[[^\s[\]]+\]|${ATOM}+)$`);

/** An address alone or in brackets. Its domain may have one label (`root@server`), but not only digits. */
export function isAddress(text: string): boolean {
  const domain = ADDRESS.exec(text)?.[1];
  if (domain === undefined || /^[.-]|[.-]$|\.\./.test(domain)) return false;
  return domain.startsWith('[') || /\p{L}/u.test(domain) || /^\d{1,3}(?:\.\d{1,3}){3}$/.test(domain);
}

/** An address among other words: its domain must look like one, because `2 pcs@4.50` is not an address. */
function isSureAddress(text: string): boolean {
  return isAddress(text) && /\.(?:\p{L}{2,}|xn--[\w-]+)$|\]$/iu.test(text);
}

/** What is between brackets, without a source route, `mailto:` and white space around `@` and dots. */
export function addressesWithin(content: string): string[] {
  const text = content
    .replace(/\s+/g, ' ')
    .replace(/^ ?(?:@[^:@]*:|mailto:)/i, '')
    .replace(/\([^()]*\)/g, '')
    .replace(/ ?([@.]) ?/g, '$1')
    .trim()
    .replace(/^'(.*)'$/, '$1');
  if (isAddress(text)) return [text];
  if (isAddress(text.replace(/^"(.*)"$/, '$1'))) return [text.slice(1, -1)];
  return bareMailboxes(text, false).flatMap(({ address }) => address ?? []);
}

/**
 * Mailboxes of a piece without brackets; none when it has no address.
 *
 * @param takesHosts whether a piece that is nothing but `root@server` is an address
 */
export function bareMailboxes(piece: string, takesHosts: boolean): Mailbox[] {
  if (!piece.includes('@')) return [];
  const comment = /\(([^()]*)\)\s*$/.exec(piece.slice(-1_000));
  const alone = (comment === null ? piece : piece.slice(0, piece.length - comment[0].length)).trim();
  const plain = alone
    .replace(/^mailto:/i, '')
    .replace(/^'(.*)'$|^"([^"]*)"$/, '$1$2')
    .replace(/\.$/, '');
  if (takesHosts ? isAddress(plain) : isSureAddress(plain))
    return [{ name: comment?.[1]?.trim() ?? '', address: plain }];

  // White space around @ and dots is obsolete syntax; behind the dot of `Dr.`, it ends a name.
  const tight = plain.replace(/\s+/g, ' ').replace(/ ?@ ?| [.] /g, (separator) => separator.trim());
  if (isSureAddress(tight)) return [{ name: comment?.[1]?.trim() ?? '', address: tight }];

  const addresses: string[] = [];
  const rest = piece.replace(/[^\s"'(),:;<>[\]]+/g, (token) => {
    const address = token.endsWith('.') ? token.slice(0, -1) : token;
    if (!isSureAddress(address)) return token;
    addresses.push(address);
    return '';
  });
  const words = rest.replace(/[<>]|\(\s*\)|\[\s*\]|"\s*"|'\s*'|mailto:/gi, ' ');
  // One comment may contain others. Between the addresses of a quoted list, only separators remain.
  const name = /[^\s"'(),:;[\]]/.test(words)
    ? unquoted(words).replace(/^\(([^()]*(?:\([^()]*\)[^()]*)*)\)$/, '$1')
    : '';
  return addresses.map((address, index) => ({ name: index === 0 ? name : '', address }));
}

/** A name without the quotes around it. A quote within it, as of inches, stays. */
export function unquoted(raw: string): string {
  const name = withoutSeparators(raw).replace(/^\\"(.*)\\"$|^<([^<>]+)>$/s, '$1$2');
  const inner = name.slice(1, -1);
  if (name.length > 1 && name.startsWith('"') && name.endsWith('"') && !/"\s+"/.test(inner))
    return unescaped(inner).trim();
  return name.replace(
    /(^|\s)"((?:[^"\\]|\\.)*)"(?=\s|$)/g,
    (_, before: string, text: string) => before + unescaped(text),
  );
}

function withoutSeparators(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && /[\s,;]/.test(text[start] ?? '')) start += 1;
  while (end > start && /[\s,;]/.test(text[end - 1] ?? '')) end -= 1;
  return text.slice(start, end);
}

function unescaped(text: string): string {
  return text.replace(/\\(.)/g, '$1');
}
