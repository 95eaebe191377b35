/**
 * Encodes Japanese text as ISO-2022-JP, the seven-bit charset that some Japanese mail clients still use.
 *
 * Node can decode this charset but not encode it, so the encoding table is built by inverting Node's decoder.
 * Source: RFC 1468, https://encoding.spec.whatwg.org/#iso-2022-jp
 */
const TO_JIS_X_0208 = [0x1b, 0x24, 0x42];
const TO_ASCII = [0x1b, 0x28, 0x42];
const FIRST = 0x21;
const LAST = 0x7e;
const CELLS = LAST - FIRST + 1;

/** Position of each character in the 94 by 94 table; built on first use. */
let positions: Map<string, number> | null = null;

function table(): Map<string, number> {
  if (positions) return positions;
  const bytes = [...TO_JIS_X_0208];
  for (let row = FIRST; row <= LAST; row += 1) {
    for (let cell = FIRST; cell <= LAST; cell += 1) bytes.push(row, cell);
  }
  // An empty cell decodes to U+FFFD, so every cell is exactly one UTF-16 unit.
  const characters = new TextDecoder('iso-2022-jp').decode(Uint8Array.from(bytes));
  positions = new Map([...characters].map((character, i) => [character, i] as const).reverse());
  return positions;
}

/** @throws {RangeError} for a character that is not in the charset */
export function encodeIso2022Jp(text: string): Buffer {
  const bytes: number[] = [];
  let inJapanese = false;
  for (const character of text) {
    const ascii = character.charCodeAt(0) < 0x80;
    if (ascii === inJapanese) {
      bytes.push(...(ascii ? TO_ASCII : TO_JIS_X_0208));
      inJapanese = !ascii;
    }
    if (ascii) {
      bytes.push(character.charCodeAt(0));
      continue;
    }
    const position = character === '\ufffd' ? undefined : table().get(character);
    if (position === undefined) throw new RangeError(`ISO-2022-JP has no ${character}`);
    bytes.push(FIRST + Math.floor(position / CELLS), FIRST + (position % CELLS));
  }
  return Buffer.from(inJapanese ? [...bytes, ...TO_ASCII] : bytes);
}
