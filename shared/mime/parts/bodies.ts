/**
 * Chooses the parts that are the text of an email, and the columns `body_text` and `body_html`. Unnamed text parts of one
 * multipart/mixed are joined in order: email clients split a message around its files, gateways add banners before it and
 * mailing lists add footers after it. Every other part is an attachment.
 */

import type { UuencodedFile } from '../encoding/uuencode.ts';
import type { Defects } from '../parsed-email.ts';
import { containsWordsOf } from '../text/same-words.ts';
import { stripTags } from '../text/strip-tags.ts';
import { isMultipart, type Part } from './part.ts';
import { isBinary, type Kind, readText } from './part-text.ts';

/**
 * A longer text is kept as a file: decoding and cleaning a very long string can exceed the memory of an instance.
 */
const MAX_BODY_BYTES = 10 * 1024 * 1024;

export interface TextPart {
  readonly part: Part;
  readonly kind: Kind;
  readonly text: string;
}

/** A section of the message: as text, as HTML, or in both forms. */
export interface Segment {
  readonly texts: readonly TextPart[];
  readonly htmls: readonly TextPart[];
}

export interface Bodies {
  /** The readable content, in order. */
  readonly segments: readonly Segment[];
  /** Null when there is none, or the message itself is HTML and the text only a banner or a footer. */
  readonly text: string | null;
  readonly html: string | null;
  /** The parts that are not attachments. */
  readonly used: ReadonlySet<Part>;
  /** The parts that were read as text, whether or not they became a body. */
  readonly read: ReadonlySet<Part>;
  /** Files that were uuencoded within a text. */
  readonly uuencoded: ReadonlyMap<Part, readonly UuencodedFile[]>;
  /** The text of a part that is not a body; null for a binary file. */
  readonly textOf: (part: Part, content: Buffer) => string | null;
}

/** @param contentOf a part's decoded bytes */
export function chooseBodies(root: Part, contentOf: (part: Part) => Buffer, defects: Defects): Bodies {
  const reader = new TextReader(contentOf, defects);
  let segments = reader.read(root, false);
  let used = reader.partsOf(segments);
  if (!segments.some(isReadable)) {
    // A part with a filename, or text of an unknown type, is the body when there is no other.
    const named = reader.read(root, true).filter(isReadable);
    const texts = named.flatMap((segment) => segment.texts).slice(0, 1);
    const htmls = named.flatMap((segment) => segment.htmls).slice(0, 1);
    if (texts.length + htmls.length > 0) {
      segments = [{ texts, htmls }];
      used = new Set([...used, ...reader.partsOf(segments)]);
    }
  }
  const readable = segments.filter(isReadable);
  const texts = readable.flatMap((segment) => segment.texts);
  const htmls = readable.flatMap((segment) => segment.htmls);
  const isTextDropped = !isMessageText(readable, texts, htmls);
  if (isTextDropped) for (const { part } of texts) used.delete(part);
  for (const part of reader.blankParts()) used.add(part);
  reader.noteDefects(used);
  return {
    segments: readable,
    text: isTextDropped ? null : joined(texts),
    html: joined(htmls),
    used,
    read: reader.partsOf(readable),
    uuencoded: reader.uuencoded,
    textOf: (part, content) => reader.textOfFile(part, content),
  };
}

/**
 * False when the text is only a banner or a footer of an HTML message. Text with the same words, or much more text, is the message.
 */
function isMessageText(
  segments: readonly Segment[],
  texts: readonly TextPart[],
  htmls: readonly TextPart[],
): boolean {
  const hasBoth = segments.some((segment) => segment.texts.length > 0 && segment.htmls.length > 0);
  if (texts.length === 0 || htmls.length === 0 || hasBoth) return true;
  const text = joined(texts) ?? '';
  const read = stripTags(joined(htmls) ?? '');
  return text.trim().length > 3 * read.length || containsWordsOf(text, read);
}

function joined(parts: readonly TextPart[]): string | null {
  if (parts.length < 2) return parts[0]?.text ?? null;
  return parts
    .map(({ text }, index) => (index < parts.length - 1 && !text.endsWith('\n') ? `${text}\n` : text))
    .join('');
}

function isReadable({ htmls, texts }: Segment): boolean {
  return [...texts, ...htmls].some(({ text }) => text.trim() !== '');
}

class TextReader {
  readonly #contentOf: (part: Part) => Buffer;
  readonly #defects: Defects;
  readonly #read = new Map<Part, { text: TextPart; defects: Defects }>();
  readonly uuencoded = new Map<Part, readonly UuencodedFile[]>();

  constructor(contentOf: (part: Part) => Buffer, defects: Defects) {
    this.#contentOf = contentOf;
    this.#defects = defects;
  }

  /** @param includesFiles see `bodyKind` */
  read(part: Part, includesFiles: boolean): Segment[] {
    if (part.opened !== null) return this.read(part.opened, includesFiles);
    if (part.children.length === 0) return this.#readLeaf(part, includesFiles);
    const children = part.children.map((child) => this.read(child, includesFiles));
    if (part.type === 'multipart/alternative') return chooseAlternatives(children);
    if (part.type === 'multipart/related') return chooseRelated(part, children);
    return children.flat();
  }

  partsOf(segments: readonly Segment[]): Set<Part> {
    return new Set(segments.flatMap(({ htmls, texts }) => [...texts, ...htmls]).map(({ part }) => part));
  }

  /** Unnamed parts that were read as text and have none, such as the text form of an email that was written as HTML. */
  blankParts(): Part[] {
    const blank = [...this.#read].filter(
      ([part, { text }]) => text.text.trim() === '' && bodyKind(part, false) !== null,
    );
    return blank.map(([part]) => part);
  }

  /** Defects of a part that is not a body are not recorded for the email. */
  noteDefects(used: ReadonlySet<Part>): void {
    for (const [part, { defects }] of this.#read) {
      if (used.has(part)) for (const defect of defects) this.#defects.add(defect);
    }
  }

  textOfFile(part: Part, content: Buffer): string | null {
    const kind = bodyKind(part, true);
    return kind === null || isBinary(content, part) ? null : readText(part, content, kind, new Set()).text;
  }

  #readLeaf(part: Part, includesFiles: boolean): Segment[] {
    const kind = bodyKind(part, includesFiles);
    if (kind === null) return [];
    let read = this.#read.get(part);
    if (read === undefined) {
      const content = this.#contentOf(part);
      if (content.length > MAX_BODY_BYTES || isBinary(content, part)) {
        this.#defects.add(content.length > MAX_BODY_BYTES ? 'text_too_long' : 'text_is_binary');
        return [];
      }
      const defects: Defects = new Set();
      const { text, uuencoded } = readText(part, content, kind, defects);
      if (uuencoded.length > 0) this.uuencoded.set(part, uuencoded);
      read = { text: { part, kind, text }, defects };
      this.#read.set(part, read);
    }
    return [{ texts: kind === 'text' ? [read.text] : [], htmls: kind === 'html' ? [read.text] : [] }];
  }
}

/** The root, or the first child that has text, is the body; the others are files. Some senders write both forms of the body. */
function chooseRelated(part: Part, children: readonly Segment[][]): Segment[] {
  const { start } = part.header;
  const root = start === null ? -1 : part.children.findIndex(({ header }) => header.contentId === start);
  const first = children[root]?.some(isReadable)
    ? children[root]
    : children.find((segments) => segments.some(isReadable));
  if (first === undefined || first.some(({ htmls }) => htmls.length > 0)) return first ?? [];
  return chooseAlternatives([
    first,
    children.find((segments) => segments.some(({ htmls }) => htmls.length > 0)) ?? [],
  ]);
}

/** The first child that is text and the last child that is HTML: the richest form comes last. */
function chooseAlternatives(children: readonly Segment[][]): Segment[] {
  const hasText = (segments: Segment[]): boolean =>
    segments.some(({ texts }) => texts.some(({ text }) => text.trim() !== ''));
  const hasHtml = (segments: Segment[]): boolean =>
    segments.some(({ htmls }) => htmls.some(({ text }) => text.trim() !== ''));
  const withText = children.find(hasText);
  const withHtml = children.findLast(hasHtml);
  if (withText === withHtml || withText === undefined || withHtml === undefined) {
    return withText ?? withHtml ?? children.find((segments) => segments.length > 0) ?? [];
  }
  return [{ texts: withText.flatMap(({ texts }) => texts), htmls: withHtml.flatMap(({ htmls }) => htmls) }];
}

/** Types of files that do not become a body. By RFC 2046, 4.1.4, text of any other type is read as text/plain. */
const FILE_TYPES =
  /^text\/(?:calendar|css|csv|directory|javascript|rfc822-headers|rtf|tab-separated-values|vcard|x-vcard|xml)$/;

/** @param includesFiles whether a part counts as text that is usually a file: it has a filename, or an unknown text type */
export function bodyKind(part: Part, includesFiles: boolean): Kind | null {
  const { filename, isAttachment } = part.header;
  // Text that is declared as an attachment without a name is the body when there is no other.
  if (part.isWhole || (filename !== null && (isAttachment || !includesFiles))) return null;
  if (isAttachment && !includesFiles) return null;
  // A part with a name and an unreadable type is a file, not text.
  if (part.header.filename !== null && part.header.type === null && part.fields.has('content-type'))
    return null;
  if (part.type === 'text/html') return 'html';
  // A multipart in which no part was found is read as text.
  if (part.type === 'text/plain' || isMultipart(part)) return 'text';
  const isUnknownText = part.type.startsWith('text/') && !FILE_TYPES.test(part.type);
  return isUnknownText && includesFiles && part.header.filename === null ? 'text' : null;
}
