/**
 * Guesses the charset of text that declares none, as email clients do: by the charsets and languages that the same message
 * names elsewhere, else by how many characters are frequent ones of a language. Western text gives no guess.
 */

import { isUtf8 } from 'node:buffer';
import { charsetName, decoderFor } from './charset-names.ts';

interface Candidate {
  readonly charset: string;
  /** Characters that make up most of a text in this charset's languages, and of orders. */
  readonly frequent: RegExp;
  /** Characters that are rare in every text, where the alphabets of two charsets are the same. */
  readonly rare?: RegExp;
}

// In these scripts, a word has no Latin letters. Western words mix ASCII and other letters.
const CYRILLIC = /(?<![a-z])[оеаинтсрвлкмд](?![a-z])/gi;
const RARE_CYRILLIC = /[жфхцшщъэю]/gi;
const GREEK = /(?<![a-z])[αοιετσνηυρπκμλς](?![a-z])/gi;
// Western words of one letter, and no-break spaces next to quotation marks, would be Cyrillic or Greek words of one letter.
const ONE_LETTER_WORD = /(?<!\p{L})\p{L}(?!\p{L})/gu;
const MIXED_WORD = /(?<=[a-z])[^\0-\x7f]|[^\0-\x7f](?=[a-z])/gi;
const ALPHABETS: ReadonlySet<RegExp> = new Set([CYRILLIC, GREEK]);
/** An ornament, or an indentation by no-break spaces, which are letters in IBM866. */
const REPEATED = /([^\0-\x7f])\1{2,}/g;
/** What KOI8-R and IBM866 have in place of Western letters and quotation marks. */
const BOX_DRAWING = /[\u2500-\u259f]/g;
const JAPANESE =
  /[\u3041-\u3096\u30a1-\u30fc、。注文書発納品数量価格見積日本年月合計金額送付確認願致件名様御中株式会社請求部番号円個前後今回連絡変更追加至急宜東京大阪]/g;

/** In order of precedence for equal scores. */
const CANDIDATES: readonly Candidate[] = [
  {
    charset: 'gb18030',
    frequent:
      /[，。：！的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所家种事成方多经学如都同现没动面起看定天分还进好小部其主样理心本前开但因只从想实日者意无力与长把机十民第公此已工使情明性知全三关点正业外将两高间由问很最重并物手应向头文体相见利二等产或新制加西月话合回特代内信表化给位次度门任常先通教东提立比员解水名处各入几条平系气题活更别打变四总电数安少报结反受目量再建务做接必场件计管期市直资金指统区保至便空司五书非设式色路记南品告类求据程北边交规万取确清今请订单采购货价格附询供商客户款票箱支您贵谢]/g,
  },
  {
    charset: 'big5',
    frequent:
      /[，。：！的一是不了在人有我他這個們中來上大為和國地到以說時要就出會可也你對生能而子那得於著下自之年過發後作裡用道行所家種事成方多經學如都同現沒動面起看定天分還進好小部其主樣理心本前開但因只從想實日者意無力與長把機十民第公此已工使情明性知全三關點正業外將兩高間由問很最重並物手應向頭文體相見利二等產或新製制加西月話合回特代內信表化給位次度門任常先通教東提立比員解水名處各入幾條平系氣題活更別打變四總電數安少報結反受目量再建務做接必場件計管期市直資金指統區保至便空司五書非設式色路記南品告類求據程北邊交規萬取確清今請訂單採購貨價格附詢供商客戶款票箱支您貴謝台灣]/g,
  },
  { charset: 'shift_jis', frequent: JAPANESE },
  { charset: 'euc-jp', frequent: JAPANESE },
  {
    charset: 'euc-kr',
    frequent:
      /[이다에는을의가를하고지사로기도서한시대자어해그리스보아일수인정나부있것들과은니습입안녕세요주문발제품량견적첨확드립감합장님회년월번호금액단납구매처상소전화원게여오관련공급박개내용물요청바랍송까된되후성조업무신재계동중유비선]/g,
  },
  { charset: 'windows-1251', frequent: CYRILLIC, rare: RARE_CYRILLIC },
  { charset: 'koi8-r', frequent: CYRILLIC, rare: RARE_CYRILLIC },
  { charset: 'iso-8859-5', frequent: CYRILLIC, rare: RARE_CYRILLIC },
  { charset: 'ibm866', frequent: CYRILLIC, rare: RARE_CYRILLIC },
  { charset: 'windows-1253', frequent: GREEK },
];

/** Charsets that senders of one language use side by side. */
const FAMILIES: readonly (readonly string[])[] = [
  ['shift_jis', 'euc-jp'],
  ['windows-1251', 'koi8-r', 'iso-8859-5', 'ibm866'],
];

const BY_LANGUAGE: ReadonlyMap<string, readonly string[]> = new Map([
  ['zh', ['gb18030', 'big5']],
  ['ja', ['shift_jis', 'euc-jp']],
  ['ko', ['euc-kr']],
  ['el', ['windows-1253']],
  ...['be', 'bg', 'mk', 'ru', 'uk'].map((language): [string, string[]] => [
    language,
    [...(FAMILIES[1] ?? [])],
  ]),
  ...['cs', 'hr', 'hu', 'pl', 'ro', 'sk', 'sl'].map((language): [string, string[]] => [
    language,
    ['windows-1250'],
  ]),
  ['tr', ['windows-1254']],
]);

/** What a message says of its charsets: encoded words, charset parameters, meta elements, Content-Language. */
const NAMED =
  /=\?([\w.:-]{2,40})(?:\*[\w-]{1,20})?\?[bq]\?|\bcharset\s{0,9}=\s{0,9}["']?([\w.:-]{2,40})|^content-language\s{0,9}:\s{0,9}([a-z]{2})/gim;
const SEARCHED_BYTES = 64 * 1024;
const SAMPLE_BYTES = 8 * 1024;
const MAX_NAMED = 100;
/** Charsets that a message names; those beyond are ignored. */
const MAX_CHARSETS = 6;
/** Texts of one message that are examined; the others get the last guess. */
const MAX_DETECTIONS = 60;
/** Share of frequent characters. True text has more than half, text in another charset hardly a tenth. */
const MIN_SHARE = 0.3;
/** A line of one repeated character is an ornament. */
const MIN_DIFFERENT = 2;
/** Western text has hardly ever four letters beyond ASCII in a row. */
const MIN_RUN = 4;

/** How often each letter occurs, at least, in words of an alphabet. */
const MIN_REPETITION = 1.5;

type Decoder = InstanceType<typeof TextDecoder>;

export class CharsetGuess {
  readonly #message: Buffer;
  #named: readonly string[] | null = null;
  #raw: string | null | undefined;
  #detections = MAX_DETECTIONS;
  #last: string | null = null;

  /** @param message the bytes of the message that the texts are part of */
  constructor(message: Buffer) {
    this.#message = message;
  }

  /** The guessed decoder for a text that is not UTF-8; null when it is Western or not recognized. */
  decoderOf(bytes: Uint8Array): Decoder | null {
    if (this.#detections > 0) {
      this.#detections -= 1;
      this.#last = this.#charsetOf(bytes);
    }
    return this.#last === null ? null : decoder(this.#last);
  }

  /** The same for text that declares a Western charset: only what the text itself shows counts. */
  otherThanWestern(bytes: Uint8Array): Decoder | null {
    const sample = sampleOf(bytes);
    if (this.#detections <= 0 || !hasRun(sample)) return null;
    this.#detections -= 1;
    const charset = bestOf(ALL, sample, MIN_SHARE);
    if (charset === null || (isAlphabetic(charset) && isListOfLetters(sample))) return null;
    return decoder(charset);
  }

  #charsetOf(bytes: Uint8Array): string | null {
    this.#named ??= namedCharsets(this.#message);
    const sample = sampleOf(bytes);
    const named = bestOf(this.#named, sample, 0);
    if (named !== null) return named;
    if (!hasRun(sample)) return null;
    // Most such messages are 8bit as a whole: together, their lines give more evidence than one short header.
    if (this.#raw === undefined)
      this.#raw = bestOf(ALL, sampleOf(linesBeyondAscii(this.#message)), MIN_SHARE);
    const raw = this.#raw === null ? null : bestOf([this.#raw], sample, 0);
    return raw ?? bestOf(ALL, sample, MIN_SHARE);
  }
}

function isAlphabetic(charset: string): boolean {
  return CANDIDATES.some((one) => one.charset === charset && ALPHABETS.has(one.frequent));
}

/** Such as `áéíóú ÁÉÍÓÚ` in a test of accents, which is Greek or Cyrillic otherwise. Words repeat their letters. */
function isListOfLetters(sample: Uint8Array): boolean {
  const beyondAscii = sample.filter((byte) => byte > 0x7f);
  return beyondAscii.length < new Set(beyondAscii).size * MIN_REPETITION;
}

const ALL: readonly string[] = CANDIDATES.map(({ charset }) => charset);

/** The charset in which the sample is valid and has the largest share of frequent characters; null for none. */
function bestOf(charsets: readonly string[], sample: Uint8Array, minShare: number): string | null {
  let best: string | null = null;
  let bestShare = Number.NEGATIVE_INFINITY;
  for (const charset of charsets) {
    const text = decoder(charset).decode(sample).replace(REPEATED, '$1');
    const beyondAscii = text.match(/[^\0-\x7f]/g)?.length ?? 0;
    if (beyondAscii === 0 || countOf(text, /[\ufffd\ue000-\uf8ff]/g) > beyondAscii / 100) continue;
    const { frequent = null, rare = null } =
      CANDIDATES.find((candidate) => candidate.charset === charset) ?? {};
    if (minShare > 0 && countOf(text, BOX_DRAWING) > beyondAscii / 10) continue;
    const isAlphabet = frequent !== null && ALPHABETS.has(frequent);
    const words = isAlphabet && minShare > 0 ? text.replace(ONE_LETTER_WORD, '') : text;
    const found = frequent === null ? [] : (words.match(frequent) ?? []);
    const rareCount =
      (rare === null ? 0 : countOf(text, rare)) + (isAlphabet ? countOf(text, MIXED_WORD) : 0);
    // Capitals count less: KOI8-R and windows-1251 differ in the case of a letter.
    const capitals = found.filter((letter) => letter !== letter.toLowerCase()).length;
    const share = (found.length - capitals * 0.4 - rareCount) / beyondAscii;
    if (share < minShare || (minShare > 0 && new Set(found).size < MIN_DIFFERENT)) continue;
    if (share > bestShare) {
      best = charset;
      bestShare = share;
    }
  }
  return best;
}

/** Charsets other than UTF-8 and Western ones that the message names, with those used side by side, in order. */
function namedCharsets(message: Buffer): string[] {
  const found = new Set<string>();
  let count = 0;
  for (const [, word, parameter, language] of message.toString('latin1', 0, SEARCHED_BYTES).matchAll(NAMED)) {
    count += 1;
    if (count > MAX_NAMED || found.size >= MAX_CHARSETS) break;
    const charsets =
      language === undefined
        ? relatedCharsets(word ?? parameter ?? '')
        : BY_LANGUAGE.get(language.toLowerCase());
    for (const charset of charsets ?? []) found.add(charset);
  }
  return [...found];
}

function relatedCharsets(label: string): readonly string[] {
  const name = charsetName(label);
  if (/^hz|^iso2022cn/.test(name)) return ['gb18030'];
  if (/^iso2022kr/.test(name)) return ['euc-kr'];
  if (/^iso2022jp/.test(name)) return FAMILIES[0] ?? [];
  const encoding = decoderFor(label, name)?.encoding;
  if (
    encoding === undefined ||
    /^(?:utf-|windows-1252|iso-8859-15|macintosh|replacement|x-user)/.test(encoding)
  )
    return [];
  const charset = encoding === 'gbk' ? 'gb18030' : encoding === 'koi8-u' ? 'koi8-r' : encoding;
  const family = FAMILIES.find((charsets) => charsets.includes(charset)) ?? [];
  return [charset, ...family.filter((other) => other !== charset)];
}

const decoders = new Map<string, Decoder>();

function decoder(charset: string): Decoder {
  const found = decoders.get(charset) ?? new TextDecoder(charset);
  decoders.set(charset, found);
  return found;
}

/** The text from its first byte beyond ASCII, cut at a line end. */
function sampleOf(bytes: Uint8Array): Uint8Array {
  if (bytes.length <= SAMPLE_BYTES) return bytes;
  let start = 0;
  while (start < bytes.length && (bytes[start] ?? 0) <= 0x7f) start += 1;
  const sample = bytes.subarray(start, start + SAMPLE_BYTES);
  const end = sample.lastIndexOf(0x0a);
  return start + SAMPLE_BYTES < bytes.length && end > 0 ? sample.subarray(0, end) : sample;
}

/** The lines of the message that have bytes above 127 and are not UTF-8. */
function linesBeyondAscii(message: Buffer): Buffer {
  const lines: Buffer[] = [];
  let length = 0;
  const end = Math.min(message.length, SEARCHED_BYTES);
  for (let at = 0; at < end && length < SAMPLE_BYTES; ) {
    const newline = message.indexOf(0x0a, at);
    const next = newline < 0 || newline >= end ? end : newline + 1;
    const line = message.subarray(at, next);
    if (!isUtf8(line)) {
      lines.push(line);
      length += line.length;
    }
    at = next;
  }
  return Buffer.concat(lines);
}

function hasRun(sample: Uint8Array): boolean {
  let run = 0;
  for (const byte of sample) {
    run = byte > 0x7f ? run + 1 : 0;
    if (run === MIN_RUN) return true;
  }
  return false;
}

function countOf(text: string, pattern: RegExp): number {
  return text.match(pattern)?.length ?? 0;
}
