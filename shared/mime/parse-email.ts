/**
 * The MIME reader: the bytes of one email in, our own terms out. Called by `ingest` for every message and
 * by the reprocessing of stored ones. Whatever the bytes, it answers: flaws come out as `defects`.
 *
 * An own walk over the bytes and not postal-mime's parser, because every part must come out once and byte
 * for byte: that parser joins text parts into the body, rewrites line ends of attachments and of attached
 * mails, and rejects a mail beyond its limits. Its address parser is used.
 */

import { readAddresses } from './headers/addresses.ts';
import { type FoundFile, fileOfPart, toAttachment } from './parts/attachments.ts';
import { type Bodies, chooseBodies } from './parts/bodies.ts';
import { cleanText } from './encoding/clean-text.ts';
import { decodeWords } from './headers/encoded-words.ts';
import { endOfLine, type HeaderFields, isBlank } from './headers/header-block.ts';
import { headerText } from './headers/header-text.ts';
import { InlineReferences } from './parts/inline-references.ts';
import type { Defects, ParsedAttachment, ParsedEmail } from './parsed-email.ts';
import { leaves, type Part, readPartTree } from './parts/part-tree.ts';
import { parseSentDate } from './headers/sent-date.ts';
import { isTnef, readTnef, tnefBudget } from './tnef/tnef.ts';
import { decodeTransfer } from './encoding/transfer-encoding.ts';

/**
 * Reads one email. Never rejects; time is linear in the number of bytes, memory a small multiple of it.
 *
 * @param raw the exact bytes as Gmail gives them. Attachments may be views on them: leave them unchanged.
 */
export async function parseEmail(raw: Uint8Array): Promise<ParsedEmail> {
  const bytes = Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength);
  const defects: Defects = new Set();
  try {
    return await readEmail(bytes, defects);
  } catch {
    // No input is known to come here. A mail that finds one is stored all the same.
    defects.add('reader_failed');
    return { ...NOTHING, attachments: [await wholeAsFile(bytes, defects)], defects: [...defects].sort() };
  }
}

const NOTHING: ParsedEmail = {
  subject: null,
  from: null,
  to: [],
  cc: [],
  bcc: [],
  replyTo: [],
  rfc822MessageId: null,
  inReplyTo: null,
  sentAt: null,
  bodyText: null,
  bodyHtml: null,
  attachments: [],
  defects: [],
};

async function readEmail(bytes: Buffer, defects: Defects): Promise<ParsedEmail> {
  const root = readPartTree(withoutLeadingLines(withLineFeeds(bytes, defects), defects), defects);
  const parts = leaves(root);
  const contents = new Map<Part, Buffer>();
  const contentOf = (part: Part): Buffer => {
    let content = contents.get(part);
    if (content === undefined) {
      content = part.isWhole ? part.body : decodeTransfer(part.body, part.header.transferEncoding, defects);
      contents.set(part, content);
    }
    return content;
  };

  const bodies = chooseBodies(parts, contentOf, defects);
  const files: FoundFile[] = [];
  const budget = tnefBudget();
  let { text, html } = textsOf(bodies);
  for (const part of parts) {
    if (part === bodies.text?.part || part === bodies.html?.part) continue;
    const file = fileOfPart(part, contentOf(part), defects);
    files.push(file);
    if (!isTnef(file)) continue;
    const opened = readTnef(file, text === null && html === null, budget, defects);
    text ??= opened.text;
    html ??= opened.html;
    files.push(...opened.files);
  }
  if (text === null && html === null) defects.add('body_missing');

  const references = new InlineReferences(html);
  const attachments: ParsedAttachment[] = [];
  for (const file of files) {
    attachments.push(await toAttachment(file, attachments.length + 1, references, defects));
  }
  const head = readHead(root.fields, defects);
  return {
    ...head,
    bodyText: text ?? (bodies.text?.text || null),
    bodyHtml: html ?? (bodies.html?.text || null),
    attachments,
    defects: [...defects].sort(),
  };
}

/** The bodies that have anything to read. */
function textsOf(bodies: Bodies): { text: string | null; html: string | null } {
  const filled = (text: string | undefined): string | null =>
    text === undefined || text.trim() === '' ? null : text;
  return { text: filled(bodies.text?.text), html: filled(bodies.html?.text) };
}

type Head = Omit<ParsedEmail, 'bodyText' | 'bodyHtml' | 'attachments' | 'defects'>;

function readHead(fields: HeaderFields, defects: Defects): Head {
  for (const name of ['subject', 'from', 'date', 'message-id']) {
    if ((fields.get(name)?.length ?? 0) > 1) defects.add('duplicate_header');
  }
  const filled = (name: string): string | null => {
    const text = headerText(fields, name, defects);
    return text === null ? null : cleanText(text, defects) || null;
  };
  const subject = headerText(fields, 'subject', defects);
  const date = filled('date');
  const sentAt = date === null ? null : parseSentDate(date);
  if (sentAt === null) defects.add(date === null ? 'date_missing' : 'date_unreadable');
  const from = readAddresses(fields, 'from', defects)[0] ?? null;
  if (from === null) defects.add('from_missing');
  return {
    subject: subject === null ? null : cleanText(decodeWords(subject, defects), defects),
    from,
    to: readAddresses(fields, 'to', defects),
    cc: readAddresses(fields, 'cc', defects),
    bcc: readAddresses(fields, 'bcc', defects),
    replyTo: readAddresses(fields, 'reply-to', defects),
    rfc822MessageId: filled('message-id'),
    inReplyTo: filled('in-reply-to'),
    sentAt,
  };
}

/** Mail of old Macintoshes ends its lines in CR; it is read as if in LF. Any other mail comes back as it is. */
function withLineFeeds(bytes: Buffer, defects: Defects): Buffer {
  if (bytes.length === 0) defects.add('empty_message');
  if (bytes.includes(0x0a) || !bytes.includes(0x0d)) return bytes;
  defects.add('bare_cr_lines');
  return Buffer.from(bytes.map((byte) => (byte === 0x0d ? 0x0a : byte)));
}

/** Steps over empty lines and an mbox separator (`From sender date`) before the first header. */
function withoutLeadingLines(bytes: Buffer, defects: Defects): Buffer {
  let at = 0;
  for (let end = endOfLine(bytes, at); at < bytes.length; end = endOfLine(bytes, at)) {
    if (!isBlank(bytes, at, end) && !/^>?From [^:]/.test(bytes.toString('latin1', at, at + 16))) break;
    at = end;
  }
  if (at > 0) defects.add('leading_lines');
  return bytes.subarray(at);
}

async function wholeAsFile(bytes: Buffer, defects: Defects): Promise<ParsedAttachment> {
  const file: FoundFile = {
    path: '1',
    content: bytes,
    name: 'message.eml',
    type: 'message/rfc822',
    contentId: null,
    contentLocation: null,
  };
  return toAttachment(file, 1, new InlineReferences(null), defects);
}
