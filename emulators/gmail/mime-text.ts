// Decodes text in message headers and bodies: encoded words (RFC 2047), parameters with charset and continuations
// (RFC 2231), transfer encodings and charsets. Lenient: text that cannot be decoded is returned unchanged.

/** Decodes `=?charset?B?...?=` and `=?charset?Q?...?=`; white space between two encoded words is dropped. */
export function decodeWords(value: string): string {
  return value
    .replace(/(=\?[^?\s]+\?[bq]\?[^?\s]*\?=)\s+(?==\?[^?\s]+\?[bq]\?)/gi, '$1')
    .replace(/=\?([^?\s]+)\?([bq])\?([^?\s]*)\?=/gi, (whole, charset: string, form: string, text: string) => {
      const bytes =
        form.toLowerCase() === 'b'
          ? Buffer.from(text, 'base64')
          : decodeQuotedPrintable(Buffer.from(text.replaceAll('_', ' '), 'latin1'));
      return decodeCharset(bytes, charset.replace(/\*.*$/, '')) ?? whole;
    });
}

/** The decoded text; undefined for an unknown charset. */
export function decodeCharset(bytes: Buffer, charset: string): string | undefined {
  try {
    return new TextDecoder(charset.trim() || 'utf-8').decode(bytes);
  } catch {
    return undefined;
  }
}

/** Parses `text/plain; charset="x"; name*0*=...` into the lower-case value and the decoded parameters. */
export function parseParameters(header: string): { value: string; parameters: Map<string, string> } {
  const [value = '', ...rest] = header.match(/(?:[^;"]|"(?:\\.|[^"\\])*"?)+/g) ?? [];
  const pieces = new Map<string, { index: number; text: string; isEncoded: boolean }[]>();
  for (const parameter of rest) {
    const [, name, index, star, raw] =
      /^\s*([^*=\s]+)(?:\*(\d+))?(\*)?\s*=\s*(.*?)\s*$/s.exec(parameter) ?? [];
    if (name === undefined || raw === undefined) continue;
    const text = raw.startsWith('"') ? raw.replace(/^"|"$/g, '').replace(/\\(.)/g, '$1') : raw;
    const list = pieces.get(name.toLowerCase()) ?? [];
    list.push({ index: Number(index ?? 0), text, isEncoded: star !== undefined });
    pieces.set(name.toLowerCase(), list);
  }
  const parameters = new Map<string, string>();
  for (const [name, list] of pieces) parameters.set(name, joinPieces(list));
  return { value: value.trim().toLowerCase(), parameters };
}

function joinPieces(pieces: { index: number; text: string; isEncoded: boolean }[]): string {
  if (!pieces.some((piece) => piece.isEncoded)) {
    const ordered = pieces.sort((left, right) => left.index - right.index);
    return decodeWords(ordered.map((piece) => piece.text).join(''));
  }
  const encoded = pieces.filter((piece) => piece.isEncoded || piece.index > 0);
  encoded.sort((left, right) => left.index - right.index);
  const [, charset = 'utf-8', first = ''] = /^([^']*)'[^']*'(.*)$/s.exec(encoded[0]?.text ?? '') ?? [
    '',
    'utf-8',
    encoded[0]?.text,
  ];
  const texts = [first, ...encoded.slice(1).map((piece) => piece.text)];
  const bytes = Buffer.concat(
    texts.map((text, index) => percentBytes(text, encoded[index]?.isEncoded ?? false)),
  );
  return decodeCharset(bytes, charset) ?? bytes.toString('utf8');
}

function percentBytes(text: string, isEncoded: boolean): Buffer {
  if (!isEncoded) return Buffer.from(text, 'utf8');
  const latin1 = text.replace(/%([0-9a-f]{2})/gi, (_whole, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return Buffer.from(latin1, 'latin1');
}

/** Decodes a Content-Transfer-Encoding; an unknown one leaves the bytes unchanged. */
export function decodeTransfer(bytes: Buffer, encoding: string): Buffer {
  switch (encoding.trim().toLowerCase()) {
    case 'base64':
      return Buffer.from(bytes.toString('latin1'), 'base64');
    case 'quoted-printable':
      return decodeQuotedPrintable(bytes);
    default:
      return bytes;
  }
}

function decodeQuotedPrintable(bytes: Buffer): Buffer {
  const text = bytes.toString('latin1').replace(/=[ \t]*\r?\n/g, '');
  const decoded = text.replace(/=([0-9a-f]{2})/gi, (_whole, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return Buffer.from(decoded, 'latin1');
}
