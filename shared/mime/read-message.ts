/**
 * Reads one message: its bodies, its files and its text, including those of attached messages. Called by `parse-email.ts`
 * for the email, and recursively for attached messages.
 */

import type { UuencodedFile } from './encoding/uuencode.ts';
import { beginsWithHeader, messageStart } from './headers/message-start.ts';
import { readHead } from './headers/read-head.ts';
import type { EmailAddress } from './parsed-email.ts';
import { type FoundFile, fileOfPart } from './parts/attachments.ts';
import { type Bodies, bodyKind, chooseBodies, type Segment } from './parts/bodies.ts';
import { InlineReferences } from './parts/inline-references.ts';
import { joinPath, leaves, type Part } from './parts/part.ts';
import { isMessage, MAX_DEPTH, type MessageContext, PartContents } from './parts/part-contents.ts';
import { readPartTree } from './parts/part-tree.ts';
import { htmlToText } from './text/html-text.ts';
import { containsTextOf, containsWordsOf, hasRowsOf, linesBeyond } from './text/same-words.ts';
import { stripTags } from './text/strip-tags.ts';
import { isTnef, readTnef } from './tnef/tnef.ts';

/** Bytes that `plain_text` takes of a text part that is too long for a body. */
const LONG_TEXT_BYTES = 1024 * 1024;
/** HTML beyond this is not compared with its text form. */
const COMPARED_HTML = 256 * 1024;

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
  readonly #contents: PartContents;
  readonly #plain: string[] = [];
  readonly #files: FoundFile[] = [];
  #text: string | null = null;
  #html: string | null = null;
  #references = new InlineReferences(null);

  constructor(root: Part, context: MessageContext, depth: number) {
    this.#root = root;
    this.#context = context;
    this.#depth = depth;
    this.#contents = new PartContents(context);
  }

  async read(): Promise<MessageContent> {
    for (const part of leaves(this.#root)) await this.#contents.prepare(part, this.#depth);
    const bodies = chooseBodies(this.#root, (part) => this.#contents.of(part), this.#context.defects);
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

  /** The text, unless the HTML contains more, or only the HTML has the rows of a table on lines. */
  async #plainOf({ htmls, texts }: Segment): Promise<string> {
    const text = texts.map((one) => one.text.trim()).join('\n');
    if (htmls.length === 0) return text;
    const html = htmls.map((one) => one.text).join('\n');
    if (text.trim() === '') return await this.#convert(html);
    const read = stripTags(html.slice(0, COMPARED_HTML));
    const isWhole = containsTextOf(text, read);
    if (isWhole && (hasRowsOf(text, read) || !containsTextOf(read, text))) return text;
    const converted = await this.#convert(html);
    if (containsTextOf(converted, text)) return converted;
    if (isWhole) return text;
    // With the same words but other numbers, a reader would take two copies of an order for two orders.
    return containsWordsOf(converted, text)
      ? `${converted}\n\n${linesBeyond(converted, text)}`
      : `${text}\n\n${converted}`;
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
    const file = fileOfPart(part, this.#contents.of(part), this.#references, defects);
    this.#files.push(file);
    const signed = this.#contents.signedFiles.get(part);
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
      for (const [index, { kind, text }] of opened.readable.entries()) {
        this.#context.budget.checkTime();
        const plain = kind === 'html' ? await this.#convert(text) : text;
        // The email often has the text of its winmail.dat too.
        if (index > 0 || !containsTextOf(this.#plain.join('\n'), plain)) this.#addPlain(plain);
      }
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
