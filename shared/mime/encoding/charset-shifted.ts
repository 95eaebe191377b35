/**
 * The charsets of seven-bit mail that switch to multi-byte text by shifts, which TextDecoder refuses or reads
 * too strictly. None fails, because what it cannot place comes out as U+FFFD or as it stands.
 */

/** UTF-7, RFC 2152: `+` opens base64 of UTF-16, `-` or any other character closes it. */
function decodeUtf7(bytes: Uint8Array): string {
  return latin1(bytes).replace(/\+([A-Za-z0-9+/]*)-?/g, (_, base64: string) => {
    if (base64 === '') return '+';
    const units = Buffer.from(base64, 'base64');
    return units
      .subarray(0, units.length & ~1)
      .swap16()
      .toString('utf16le');
  });
}

/** HZ, RFC 1843: `~{` opens GB2312 in seven bits, `~}` closes it, `~~` is a tilde. */
function decodeHz(bytes: Uint8Array): string {
  const decoder = new TextDecoder('gb18030');
  return latin1(bytes).replace(
    /~(?:\{((?:[!-w][!-~])*)(?:~\})?|~|\r?\n)/g,
    (whole, pairs: string | undefined) => {
      if (pairs !== undefined) return decoder.decode(withHighBits(pairs));
      return whole === '~~' ? '~' : '';
    },
  );
}

/**
 * ISO-2022-JP, RFC 1468. TextDecoder reads it, but gives U+FFFD for an escape directly behind another, as
 * they meet where two encoded words or two lines are joined.
 */
export function decodeIso2022Jp(bytes: Uint8Array): string {
  const text = latin1(bytes).replaceAll('\u001b(B\u001b', '\u001b').replaceAll('\u001b(J\u001b', '\u001b');
  return new TextDecoder('iso-2022-jp').decode(Buffer.from(text, 'latin1'));
}

/** ISO-2022-KR, RFC 1557: SO opens KS C 5601 in seven bits, SI closes it; the header escape is dropped. */
function decodeIso2022Kr(bytes: Uint8Array): string {
  const decoder = new TextDecoder('euc-kr');
  return latin1(bytes)
    .replaceAll('\x1b$)C', '')
    .split('\x0e')
    .map((run, index) => {
      if (index === 0) return run;
      const close = run.indexOf('\x0f');
      const shifted = close < 0 ? run : run.slice(0, close);
      return decoder.decode(withHighBits(shifted)) + (close < 0 ? '' : run.slice(close + 1));
    })
    .join('');
}

/** The decoder of a charset that TextDecoder refuses; undefined for any other. */
export function shiftedDecoder(name: string): ((bytes: Uint8Array) => string) | undefined {
  return SHIFTED.get(name);
}

function withHighBits(text: string): Uint8Array {
  const bytes = Buffer.from(text, 'latin1');
  // Spaces and line ends inside a shifted run stay what they are.
  return bytes.map((byte) => (byte > 0x20 && byte < 0x7f ? byte | 0x80 : byte));
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

/** By the name that `charset-names.ts` gives. */
const SHIFTED: ReadonlyMap<string, (bytes: Uint8Array) => string> = new Map([
  ['utf7', decodeUtf7],
  ['unicode11utf7', decodeUtf7],
  ['hz', decodeHz],
  ['hzgb2312', decodeHz],
  ['iso2022kr', decodeIso2022Kr],
]);
