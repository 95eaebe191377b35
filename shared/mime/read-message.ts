/**
 * Reads one message: its bodies, its files and its text, including those of attached messages. Called by `parse-email.ts`
 * for the email, and recursively for attached messages.
 */

import { decodeTransfer, isIdentity } from './encoding/transfer-encoding.ts';
import { decodeUndeclaredBase64 } from './encoding/undeclared-base64.ts';
import type { UuencodedFile } from './encoding/uuencode.ts';
import { readHeaderBlock } from './headers/header-block.ts';
import { beginsWithHeader, messageStart } from './headers/message-start.ts';
import { readHead } from './headers/read-head.ts';
import type { ParseBudget } from './parse-budget.ts';
import type { Defects, EmailAddress } from './parsed-email.ts';
import { type FoundFile, fileOfPart } from './parts/attachments.ts';
import { type Bodies, bodyKind, chooseBodies, type Segment } from './parts/bodies.ts';
import { InlineReferences } from './parts/inline-references.ts';
import type { Part } from './parts/part.ts';
import { joinPath, leaves, readPartTree } from './parts/part-tree.ts';
import { isCms, readCms } from './smime/signed-data.ts';
import { type HtmlBudget, htmlToText } from './text/html-text.ts';
import { containsWordsOf } from './text/same-words.ts';
import { stripTags } from './text/strip-tags.ts';
import { isTnef, readTnef, type TnefBudget } from './tnef/tnef.ts';

/** Messages within messages, and signed data within signed data. */
const MAX_DEPTH = 10;
/** Bytes that `plain_text` takes of a text part that is too long for a body. */
const LONG_TEXT_BYTES = 1024 * 1024;
/** HTML beyond this is not compared with its text form. */
const COMPARED_HTML = 256 * 1024;

/** State that all messages of one email share. */
export interface MessageContext {
  readonly defects: Defects;
  readonly budget: ParseBudget;
  readonly html: HtmlBudget;
  readonly tnef: TnefBudget;
}

export interface MessageContent {
  readonly text: string | null;
  readonly html: string | null;
  /** The readable text, in order. */
  readonly plain: readonly string[];
  readonly files: readonly FoundFile[];
}

/** @throws {ParseBudgetExceeded | CharsetLibraryNeeded} */
export async function readMessage(root: Part, context: MessageContext, depth = 0): Promise<MessageContent> {
  return await new MessageReader(root, context, depth).read();
}

class MessageReader {
  readonly #root: Part;
  readonly #context: MessageContext;
  readonly #depth: number;
  readonly #contents = new Map<Part, Buffer>();
  /** The signed files, `order.pdf` of `order.pdf.p7m`. */
  readonly #signedFiles = new Map<Part, Buffer>();
  readonly #plain: string[] = [];
  readonly #files: FoundFile[] = [];
  #text: string | null = null;
  #html: string | null = null;
  #references = new InlineReferences(null);

  constructor(root: Part, context: MessageContext, depth: number) {
    this.#root = root;
    this.#context = context;
    this.#depth = depth;
  }

  async read(): Promise<MessageContent> {
    for (const part of leaves(this.#root)) await this.#prepare(part, this.#depth);
    const bodies = chooseBodies(this.#root, (part) => this.#contentOf(part), this.#context.defects);
    this.#text = bodies.text;
    this.#html = bodies.html;
    this.#references = new InlineReferences(bodies.html);
    const segments = new Map(bodies.segments.map((segment) => [firstPart(segment), segment]));
    for (const part of leaves(this.#root)) {
      this.#context.budget.checkTime();
      const segment = segments.get(part);
      if (segment !== undefined) this.#addPlain(await this.#plainOf(segment));
      for (const [index, file] of (bodies.uuencoded.get(part) ?? []).entries())
        this.#files.push(this.#uuencodedFile(part, index, file));
      // In an attached message, a named text part is also a file, even when it is the only text.
      const isFile = !bodies.used.has(part) || (this.#depth > 0 && part.header.filename !== null);
      if (isFile) await this.#addFile(part, bodies);
    }
    return { text: this.#text, html: this.#html, plain: this.#plain, files: this.#files };
  }

  /** Opens signed data, which may contain the body, and decodes undeclared base64. */
  async #prepare(part: Part, depth: number): Promise<void> {
    const { budget, defects } = this.#context;
    budget.checkTime();
    if (/^message\/(?:external-body|partial)$/.test(part.type)) defects.add('content_elsewhere');
    if (part.parent?.type === 'multipart/encrypted') defects.add('encrypted');
    const { filename, transferEncoding } = part.header;
    // A license or a key is often a file of base64, and its text must not change.
    const isFile = transferEncoding !== null && filename !== null;
    const mayDecode = !part.isWhole && !(isFile && part.type.startsWith('text/'));
    if (isIdentity(transferEncoding) && mayDecode) {
      const decoded = decodeUndeclaredBase64(part.body, !isFile);
      if (decoded !== null) {
        defects.add('transfer_encoding_missing');
        this.#contents.set(part, decoded);
        if (part.header.type === null && isHtml(decoded)) part.type = 'text/html';
      }
    }
    if (!isCms(part.type) && !/\.p7m$/i.test(filename ?? '')) return;
    budget.cms -= 1;
    if (budget.cms < 0) {
      defects.add('parts_too_many');
      return;
    }
    const content = await readCms(this.#contentOf(part));
    if (content.kind === 'encrypted') defects.add('encrypted');
    const isContentMissing = content.kind === 'empty' && part.header.smimeType === 'signed-data';
    if (content.kind === 'unreadable' || isContentMissing) defects.add('cms_unreadable');
    if (content.kind !== 'signed') return;
    if (depth >= MAX_DEPTH || !budget.mayOpen(content.entity.length)) {
      defects.add('nesting_too_deep');
      return;
    }
    defects.add('signature_not_verified');
    if (isSignedFile(part, content.entity)) {
      this.#signedFiles.set(part, content.entity);
      return;
    }
    part.opened = readPartTree(content.entity, {
      defects,
      budget,
      parentPath: part.path === '' ? '1' : part.path,
    });
    for (const inner of leaves(part.opened)) await this.#prepare(inner, depth + 1);
  }

  #contentOf(part: Part): Buffer {
    let content = this.#contents.get(part);
    if (content === undefined) {
      content = part.isWhole ? part.body : decodeBody(part, this.#context.defects);
      this.#contents.set(part, content);
    }
    return content;
  }

  /** The text, unless the HTML contains more. */
  async #plainOf({ htmls, texts }: Segment): Promise<string> {
    const text = texts.map((one) => one.text.trim()).join('\n');
    if (htmls.length === 0) return text;
    const html = htmls.map((one) => one.text).join('\n');
    if (text.trim() !== '') {
      const read = stripTags(html.slice(0, COMPARED_HTML));
      if (containsWordsOf(text, read)) return text;
      const converted = await this.#convert(html);
      return containsWordsOf(converted, text) ? converted : `${text}\n\n${converted}`;
    }
    return await this.#convert(html);
  }

  async #convert(html: string): Promise<string> {
    return await htmlToText(html, this.#context.html, this.#context.defects);
  }

  #addPlain(text: string): void {
    const trimmed = text.trim();
    if (isPgpMessage(trimmed)) this.#context.defects.add('encrypted');
    if (trimmed !== '') this.#plain.push(trimmed);
  }

  async #addFile(part: Part, bodies: Bodies): Promise<void> {
    const { defects, tnef } = this.#context;
    const file = fileOfPart(part, this.#contentOf(part), this.#references, defects);
    this.#files.push(file);
    const signed = this.#signedFiles.get(part);
    if (signed !== undefined) this.#files.push(signedFile(file, signed));
    if (isPgpMessage(file.content.toString('latin1', 0, 100))) defects.add('encrypted');
    await this.#addTextFile(part, file, bodies);
    if (isTnef(file)) {
      const becomesBody = this.#depth === 0 && isBlank(this.#text) && isBlank(this.#html);
      const opened = readTnef(file, becomesBody, tnef, defects);
      this.#text = opened.text ?? this.#text;
      this.#html = opened.html ?? this.#html;
      if (opened.html !== null) this.#references = new InlineReferences(opened.html);
      this.#files.push(...opened.files.map((one) => ({ ...one, references: this.#references })));
      const plain = opened.plain ?? (opened.html === null ? '' : await this.#convert(opened.html));
      if (!containsWordsOf(this.#plain.join('\n'), plain)) this.#addPlain(plain);
    } else if (isMessage(file) && !part.isWhole) {
      if (beginsWithHeader(file.content)) await this.#openMessage(file);
      else defects.add('message_unreadable');
    }
  }

  /** Adds the text of a part that an email client shows inline although it is kept as a file. */
  async #addTextFile(part: Part, file: FoundFile, bodies: Bodies): Promise<void> {
    const kind = part.header.isAttachment ? null : bodyKind(part, part.header.isInline);
    if (kind === null || bodies.read.has(part)) return;
    const isLong = file.content.length > LONG_TEXT_BYTES;
    const shown = isLong ? file.content.subarray(0, LONG_TEXT_BYTES) : file.content;
    if (part.header.filename === null && !isLong) return;
    const text = bodies.textOf(part, shown);
    if (text !== null) this.#addPlain(kind === 'html' ? await this.#convert(text) : text);
  }

  async #openMessage(file: FoundFile): Promise<void> {
    const { budget, defects } = this.#context;
    budget.messages -= 1;
    if (budget.messages < 0) {
      defects.add('parts_too_many');
      return;
    }
    if (this.#depth >= MAX_DEPTH || !budget.mayOpen(file.content.length)) {
      defects.add('nesting_too_deep');
      return;
    }
    // Defects of the inner message's head are not recorded for the email.
    const start = messageStart(file.content, new Set());
    const root = readPartTree(start, { defects, budget, parentPath: file.path });
    const content = await readMessage(root, this.#context, this.#depth + 1);
    this.#files.push(...content.files);
    const head = readHead(root.fields, root.type, new Set());
    const lines = [
      line('From', nameOf(head.from)),
      line('To', head.to.map(nameOf).join(', ').slice(0, 1_000)),
      line('Date', head.sentAt?.toISOString() ?? null),
      line('Subject', head.subject),
    ].filter((one) => one !== null);
    this.#addPlain([...lines, '', ...content.plain].join('\n'));
  }

  #uuencodedFile(part: Part, index: number, { content, name }: UuencodedFile): FoundFile {
    return {
      path: `${part.parent === null && part.path === '' ? '1' : part.path}.uu.${index + 1}`,
      parentPath: part.parentPath,
      content,
      name,
      type: 'application/octet-stream',
      description: null,
      references: this.#references,
      contentId: null,
      contentLocation: null,
    };
  }
}

function firstPart({ htmls, texts }: Segment): Part | undefined {
  return (texts[0] ?? htmls[0])?.part;
}

function decodeBody({ body, header, type }: Part, defects: Defects): Buffer {
  const found: Defects = new Set();
  const decoded = decodeTransfer(body, header.transferEncoding, found);
  // The standard forbids quoted-printable for an attached message. Some senders declare it, but do not encode the message.
  const isMalformedMessage =
    found.has('quoted_printable_malformed') && isMessage({ name: header.filename, type });
  if (isMalformedMessage && beginsWithHeader(body)) {
    defects.add('transfer_encoding_wrong');
    return body;
  }
  for (const defect of found) defects.add(defect);
  return decoded;
}

/** Whether a file is declared as a message, by its type or its extension. */
function isMessage({ name, type }: Pick<FoundFile, 'name' | 'type'>): boolean {
  if (type === 'message/rfc822' || type === 'message/global') return true;
  return (
    /\.eml$/i.test(name ?? '') && /^(?:application\/octet-stream|text\/plain|application\/.*eml)$/.test(type)
  );
}

/** Whether signed data is a file itself, as Italian senders sign orders (CAdES), and not a MIME entity, which has headers. */
function isSignedFile(part: Part, content: Buffer): boolean {
  const name = part.header.filename;
  if (name === null || /^smime\b/i.test(name)) return false;
  return readHeaderBlock(content, 0, () => false, new Set()).fields.size === 0;
}

function signedFile(container: FoundFile, content: Buffer): FoundFile {
  return {
    ...container,
    path: joinPath(container.path, 1),
    parentPath: container.path,
    content,
    name: container.name?.replace(/\.p7m$/i, '') ?? null,
    type: 'application/octet-stream',
    description: null,
    contentId: null,
  };
}

function isPgpMessage(text: string): boolean {
  return /^-----BEGIN PGP MESSAGE-----/m.test(text.slice(0, 4_096));
}

function isHtml(content: Buffer): boolean {
  return /^\s{0,100}<(?:!doctype|html|head|body|table|div|p|h\d|span|br)[\s>]/i.test(
    content.toString('latin1', 0, 300),
  );
}

function line(name: string, value: string | null): string | null {
  return value === null || value === '' ? null : `${name}: ${value}`;
}

function nameOf(person: EmailAddress | null): string {
  if (person === null) return '';
  return person.name && person.address
    ? `${person.name} <${person.address}>`
    : (person.address ?? person.name ?? '');
}

function isBlank(text: string | null): boolean {
  return text === null || text.trim() === '';
}
