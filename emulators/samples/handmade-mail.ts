/**
 * Emails in the charsets of older mail clients. nodemailer cannot write them, because it supports UTF-8 only.
 *
 * They deliberately copy the quirks of such clients: encoded words in `name=`, although RFC 2047 forbids them there,
 * and also an RFC 2231 `filename`.
 */
import { encode as toBase64, wrap as wrapBase64 } from 'nodemailer/lib/base64';
import { encode as toQuotedPrintable, wrap as wrapQuotedPrintable } from 'nodemailer/lib/qp';
import { SELLER } from './buyers.ts';
import { messageId } from './composed-mail.ts';
import { encodeIso2022Jp } from './iso-2022-jp.ts';
import type { PurchaseOrder } from './purchase-order.ts';

export interface Charset {
  name: string;
  /** Content-Transfer-Encoding of the body. */
  transfer: '7bit' | 'quoted-printable';
  /** Encoding of encoded words. */
  word: 'B' | 'Q';
  encode: (text: string) => Buffer;
}

export const ISO_2022_JP: Charset = {
  name: 'ISO-2022-JP',
  transfer: '7bit',
  word: 'B',
  encode: encodeIso2022Jp,
};

export const LATIN_1: Charset = {
  name: 'iso-8859-1',
  transfer: 'quoted-printable',
  word: 'Q',
  encode: (text) => {
    // ISO-8859-1 has no euro sign.
    const latin = text.replaceAll('€', 'EUR');
    const unencodable = [...latin].find((character) => character > '\u00ff');
    if (unencodable) throw new RangeError(`ISO-8859-1 has no ${unencodable}`);
    return Buffer.from(latin, 'latin1');
  },
};

/** Characters per encoded word. Encoded, the word stays within the 75 characters that RFC 2047 allows. */
const WORD_LENGTH = 14;
/** Percent-encoded octets per RFC 2231 segment. */
const SEGMENT_OCTETS = 16;

function slices<T>(items: readonly T[], length: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / length) }, (_, i) =>
    items.slice(i * length, (i + 1) * length),
  );
}

function hex(octet: number): string {
  return octet.toString(16).toUpperCase().padStart(2, '0');
}

/**
 * The Q encoding of RFC 2047: a space becomes `_`, and all other characters except letters, digits and hyphens `=XX`.
 */
function qEncoded(octets: Buffer): string {
  return octets
    .toString('latin1')
    .replace(/[^A-Za-z0-9-]/g, (one) => (one === ' ' ? '_' : `=${hex(one.charCodeAt(0))}`));
}

/** RFC 2047 encoded words. Each word is encoded separately, so none ends inside a shift sequence. */
export function encodedWords(charset: Charset, text: string): string {
  const words = slices([...text], WORD_LENGTH).map((part) => {
    const octets = charset.encode(part.join(''));
    const coded = charset.word === 'B' ? octets.toString('base64') : qEncoded(octets);
    return `=?${charset.name}?${charset.word}?${coded}?=`;
  });
  return words.join('\r\n ');
}

/** RFC 2231 with continuations: `filename*0*=charset''%41...; filename*1*=...`. */
export function extendedFilename(charset: Charset, filename: string): string {
  const octets = [...charset.encode(filename)].map((octet) => `%${hex(octet)}`);
  return slices(octets, SEGMENT_OCTETS)
    .map((segment, i) => `filename*${i}*=${i === 0 ? `${charset.name}''` : ''}${segment.join('')}`)
    .join(';\r\n ');
}

export interface HandmadeContent {
  charset: Charset;
  subject: string;
  /** Lines end with LF. */
  text: string;
  attachment: { filename: string; contentType: string; bytes: Buffer };
}

/** Returns the raw bytes, which are all ASCII. */
export function handmadeMail(order: PurchaseOrder, content: HandmadeContent): Buffer {
  const { buyer, orderedAt } = order;
  const { charset, attachment } = content;
  const boundary = `=_${order.number.replaceAll('-', '')}_part`;
  const body = charset.encode(content.text.replaceAll('\n', '\r\n'));
  const lines = [
    `From: ${encodedWords(charset, buyer.person)} <${buyer.email}>`,
    `To: ${SELLER.company} <${SELLER.email}>`,
    `Subject: ${encodedWords(charset, content.subject)}`,
    `Date: ${orderedAt.toUTCString().replace('GMT', '+0000')}`,
    `Message-ID: ${messageId(order)}`,
    'MIME-Version: 1.0',
    `Content-Type: multipart/mixed; boundary="${boundary}"`,
    '',
    `--${boundary}`,
    `Content-Type: text/plain; charset=${charset.name}`,
    `Content-Transfer-Encoding: ${charset.transfer}`,
    '',
    charset.transfer === '7bit' ? body.toString('latin1') : wrapQuotedPrintable(toQuotedPrintable(body)),
    `--${boundary}`,
    `Content-Type: ${attachment.contentType};\r\n name="${encodedWords(charset, attachment.filename)}"`,
    `Content-Disposition: attachment;\r\n ${extendedFilename(charset, attachment.filename)}`,
    'Content-Transfer-Encoding: base64',
    '',
    wrapBase64(toBase64(attachment.bytes)),
    `--${boundary}--`,
    '',
  ];
  return Buffer.from(lines.join('\r\n'), 'latin1');
}
