/** Builds emails for the tests of the MIME parser line by line, so that a test controls every byte. */
import { parseEmail } from '../../shared/mime/parse-email.ts';
import type { ParsedEmail } from '../../shared/mime/parsed-email.ts';

/** Joins lines with CRLF. A Buffer is copied unchanged, for bytes that are not UTF-8. */
export function mail(...lines: (string | Buffer)[]): Buffer {
  const pieces = lines.map((line) => (typeof line === 'string' ? Buffer.from(line, 'utf8') : line));
  return Buffer.concat(
    pieces.flatMap((piece, index) => (index === 0 ? [piece] : [Buffer.from('\r\n'), piece])),
  );
}

export const HEAD = [
  'From: Ann Buyer <ann@example.com>',
  'To: orders@example.com',
  'Subject: Order 4711',
  'Date: Tue, 3 Nov 2026 10:15:00 +0100',
  'Message-ID: <4711@example.com>',
  'MIME-Version: 1.0',
];

/** The lines of one part: headers, an empty line, the body. */
export function part(headers: string[], ...body: (string | Buffer)[]): (string | Buffer)[] {
  return [...headers, '', ...body];
}

/** Parts between boundary lines, with a closing boundary. */
export function between(boundary: string, ...parts: (string | Buffer)[][]): (string | Buffer)[] {
  return [...parts.flatMap((lines) => [`--${boundary}`, ...lines]), `--${boundary}--`, ''];
}

export function multipart(
  subtype: string,
  boundary: string,
  ...parts: (string | Buffer)[][]
): (string | Buffer)[] {
  return part([`Content-Type: multipart/${subtype}; boundary="${boundary}"`], ...between(boundary, ...parts));
}

export function textPart(words: string, ...headers: string[]): (string | Buffer)[] {
  return part(['Content-Type: text/plain; charset=utf-8', ...headers], words);
}

export function htmlPart(words: string, ...headers: string[]): (string | Buffer)[] {
  return part(['Content-Type: text/html; charset=utf-8', ...headers], words);
}

export const PDF = Buffer.from('%PDF-1.7\n% pallets\n%%EOF\n');

/** `PDF` in base64. The caller gives the Content-Type and the name. */
export function pdfPart(...headers: string[]): (string | Buffer)[] {
  return part(['Content-Transfer-Encoding: base64', ...headers], base64Lines(PDF));
}

/** Name of each attachment, and whether its bytes are those of `PDF`. */
export function filesOf(email: ParsedEmail): [string, boolean][] {
  return email.attachments.map(({ content, filename }) => [filename, Buffer.from(content).equals(PDF)]);
}

/** Parses an email of these lines below the headers of `HEAD`. */
export function parse(...lines: (string | Buffer)[]): Promise<ParsedEmail> {
  return parseEmail(mail(...HEAD, ...lines));
}

/** Base64 in lines of 76 characters. */
export function base64Lines(bytes: Uint8Array): string {
  return (
    Buffer.from(bytes)
      .toString('base64')
      .match(/.{1,76}/g) ?? []
  ).join('\r\n');
}
