/**
 * Decoders of seven-bit charsets with shift sequences, which TextDecoder rejects or decodes too strictly. They never fail:
 * invalid bytes become U+FFFD or stay unchanged. Each makes one pass over the bytes and decodes once, so many shift
 * sequences cost no more than other text.
 */

const ESC = 0x1b;
const SHIFT_OUT = 0x0e;
const SHIFT_IN = 0x0f;
const TILDE = 0x7e;
const LF = 0x0a;
const CR = 0x0d;

/** UTF-7, RFC 2152: `+` opens base64 of UTF-16, `-` or any other character closes it. */
function decodeUtf7(bytes: Uint8Array): string {
  const units = Buffer.allocUnsafe(bytes.length * 2);
  let length = 0;
  const put = (unit: number): void => {
    units[length] = unit & 0xff;
    units[length + 1] = unit >> 8;
    length += 2;
  };
  let at = 0;
  while (at < bytes.length) {
    const byte = bytes[at] ?? 0;
    at += 1;
    if (byte !== 0x2b) {
      put(byte);
      continue;
    }
    const start = at;
    let bits = 0;
    let count = 0;
    for (
      let six = BASE64[bytes[at] ?? 0] ?? -1;
      at < bytes.length && six >= 0;
      six = BASE64[bytes[at] ?? 0] ?? -1
    ) {
      bits = ((bits << 6) | six) & 0x3f_ffff;
      count += 6;
      if (count >= 16) {
        count -= 16;
        put((bits >> count) & 0xffff);
      }
      at += 1;
    }
    if (at === start) put(0x2b);
    if (bytes[at] === 0x2d) at += 1;
  }
  return units.toString('utf16le', 0, length);
}

/** HZ, RFC 1843: `~{` opens GB2312 in seven bits, `~}` closes it, `~~` is a tilde. */
function decodeHz(bytes: Uint8Array): string {
  const plain = Buffer.allocUnsafe(bytes.length);
  let length = 0;
  let at = 0;
  let isShifted = false;
  while (at < bytes.length) {
    const byte = bytes[at] ?? 0;
    const next = bytes[at + 1] ?? 0;
    if (isShifted) {
      if (byte >= 0x21 && byte <= 0x77 && next >= 0x21 && next <= 0x7e) {
        plain[length] = byte | 0x80;
        plain[length + 1] = next | 0x80;
        length += 2;
        at += 2;
        continue;
      }
      isShifted = false;
      if (byte === TILDE && next === 0x7d) {
        at += 2;
        continue;
      }
    }
    if (byte === TILDE && next === 0x7b) {
      isShifted = true;
      at += 2;
    } else if (byte === TILDE && next === LF) {
      at += 2;
    } else if (byte === TILDE && next === CR && bytes[at + 2] === LF) {
      at += 3;
    } else {
      plain[length] = byte;
      length += 1;
      at += byte === TILDE && next === TILDE ? 2 : 1;
    }
  }
  return new TextDecoder('gb18030').decode(plain.subarray(0, length));
}

/** What the three characters after ESC select: the character set of ISO-2022-JP and its extensions. */
const JAPANESE_SETS: readonly (readonly [selector: string, set: JapaneseSet])[] = [
  ['(B', 'ascii'],
  ['(J', 'roman'],
  ['(H', 'ascii'],
  ['(I', 'kana'],
  ['$@', 'kanji'],
  ['$B', 'kanji'],
  ['$(@', 'kanji'],
  ['$(B', 'kanji'],
  ['$(D', 'supplement'],
];
type JapaneseSet = 'ascii' | 'roman' | 'kana' | 'kanji' | 'supplement';
const BACKSLASH = 0x5c;
/** Written for the yen sign, which EUC-JP lacks. */
const YEN = 0x80;
const INVALID = 0xff;

/**
 * ISO-2022-JP, RFC 1468, with JIS X 0212 of ISO-2022-JP-1 and the half-width kana of Microsoft, by way of EUC-JP. TextDecoder
 * accepts neither these nor an escape directly after another, as where two encoded words or two lines are joined.
 */
export function decodeIso2022Jp(bytes: Uint8Array): string {
  // At most two bytes for one.
  const plain = Buffer.allocUnsafe(bytes.length * 2);
  const hasEscape = bytes.includes(ESC) || bytes.includes(SHIFT_OUT);
  let length = 0;
  let set: JapaneseSet = 'ascii';
  let isShifted = false;
  const put = (byte: number): void => {
    plain[length] = byte;
    length += 1;
  };
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at] ?? 0;
    const next = bytes[at + 1] ?? 0;
    const selected = byte === ESC ? escapeAt(bytes, at + 1) : undefined;
    if (selected !== undefined) {
      set = selected[1];
      at += selected[0].length;
    } else if (byte === SHIFT_OUT || byte === SHIFT_IN) {
      isShifted = byte === SHIFT_OUT;
    } else if (byte < 0x21 || byte === 0x7f) {
      // A line end selects ASCII. Spaces between characters are unchanged.
      if (byte === LF) set = 'ascii';
      put(byte === ESC ? INVALID : byte);
    } else if (hasEscape && isKana(byte | 0x80) && (byte > 0x80 || isShifted || set === 'kana')) {
      put(0x8e);
      put(byte | 0x80);
    } else if (set === 'roman' && byte === BACKSLASH) {
      put(YEN);
    } else if ((set === 'kanji' || set === 'supplement') && byte < 0x7f && next > 0x20 && next < 0x7f) {
      if (set === 'supplement') put(0x8f);
      put(byte | 0x80);
      put(next | 0x80);
      at += 1;
    } else {
      // Half of a character, an unknown escape, or a byte above 127, which EUC-JP alone would accept.
      put(byte > 0x7f || set === 'kanji' || set === 'supplement' ? INVALID : byte);
    }
  }
  const text = new TextDecoder('euc-jp').decode(plain.subarray(0, length));
  return text.replaceAll('\u0080', '¥');
}

function isKana(byte: number): boolean {
  return byte >= 0xa1 && byte <= 0xdf;
}

/** The selection at this offset, after ESC; undefined for none. */
function escapeAt(bytes: Uint8Array, at: number): (typeof JAPANESE_SETS)[number] | undefined {
  const first = bytes[at];
  if (first !== 0x28 && first !== 0x24) return undefined;
  const text = String.fromCharCode(first, bytes[at + 1] ?? 0, bytes[at + 2] ?? 0);
  return JAPANESE_SETS.find(([selector]) => text.startsWith(selector));
}

/** ISO-2022-KR, RFC 1557: SO opens KS C 5601 in seven bits, SI closes it; the header escape is dropped. */
function decodeIso2022Kr(bytes: Uint8Array): string {
  const plain = Buffer.allocUnsafe(bytes.length);
  let length = 0;
  let isShifted = false;
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at] ?? 0;
    if (byte === SHIFT_OUT) isShifted = true;
    else if (byte === SHIFT_IN) isShifted = false;
    else if (byte === ESC && bytes[at + 1] === 0x24 && bytes[at + 2] === 0x29 && bytes[at + 3] === 0x43)
      at += 3;
    else {
      // Spaces and line ends inside a shifted run are unchanged.
      plain[length] = isShifted && byte > 0x20 && byte < 0x7f ? byte | 0x80 : byte;
      length += 1;
    }
  }
  return new TextDecoder('euc-kr').decode(plain.subarray(0, length));
}

/** The decoder of a charset that TextDecoder rejects; undefined for any other. */
export function shiftedDecoder(name: string): ((bytes: Uint8Array) => string) | undefined {
  return SHIFTED.get(name);
}

/** Each byte's six bits; -1 for a byte that is not a digit. */
const BASE64 = new Int8Array(256).fill(-1);
for (const [value, digit] of [
  ...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/',
].entries()) {
  BASE64[digit.charCodeAt(0)] = value;
}

/** By the name that `charsetName` returns. */
const SHIFTED: ReadonlyMap<string, (bytes: Uint8Array) => string> = new Map([
  ['utf7', decodeUtf7],
  ['unicode11utf7', decodeUtf7],
  ['hz', decodeHz],
  ['hzgb2312', decodeHz],
  ['iso2022kr', decodeIso2022Kr],
]);
