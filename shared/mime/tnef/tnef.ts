/**
 * Opens winmail.dat, the container in which Outlook sends attachments: [MS-OXTNEF]. The file itself is also kept, so
 * that skipped content is not lost. It never throws, reads within bounds, and returns the content before any damage.
 */

import { decodeText } from '../encoding/charset.ts';
import { cleanText } from '../encoding/clean-text.ts';
import type { Defects } from '../parsed-email.ts';
import type { FoundFile } from '../parts/attachments.ts';
import type { Kind } from '../parts/part-text.ts';
import { decompressRtf } from './compressed-rtf.ts';
import { PROPERTY, type Property, type PropertyList, readProperties, TYPE } from './mapi-properties.ts';
import { rtfToText } from './rtf-text.ts';
import { ATTRIBUTE, readAttributes, TNEF_SIGNATURE } from './tnef-attributes.ts';

/** Nested messages within a winmail.dat. */
const MAX_DEPTH = 5;
/** Files taken from all winmail.dat files of one email. */
const MAX_FILES = 1000;
/** Bytes of decompressed RTF for one email: RTF grows up to ninefold. */
const MAX_RTF_BYTES = 32 * 1024 * 1024;
/** A longer body of a winmail.dat is kept as a file. */
const MAX_BODY_LENGTH = 10 * 1024 * 1024;

export interface OpenedTnef {
  readonly text: string | null;
  readonly html: string | null;
  /** What there is to read, also when it is not the body, in order: of the message, then of each message attached to it. */
  readonly readable: readonly { readonly kind: Kind; readonly text: string }[];
  readonly files: readonly FoundFile[];
}

/** An attachment whose attributes are still being read. */
interface Pending {
  title: Buffer | null;
  data: Buffer | null;
  list: PropertyList | null;
}

/** The remaining limits for the winmail.dat files of one email. */
export interface TnefBudget {
  files: number;
  rtfBytes: number;
}

export function tnefBudget(): TnefBudget {
  return { files: MAX_FILES, rtfBytes: MAX_RTF_BYTES };
}

export function isTnef(file: FoundFile): boolean {
  const starts = file.content.length >= 6 && file.content.readUInt32LE(0) === TNEF_SIGNATURE;
  return starts || /^application\/(?:vnd\.)?ms-tnef$/.test(file.type);
}

/**
 * @param becomesBody whether its body becomes the email's body; otherwise it is one of the files
 */
export function readTnef(
  file: FoundFile,
  becomesBody: boolean,
  budget: TnefBudget,
  defects: Defects,
): OpenedTnef {
  const reader = new TnefReader(file.path, budget, defects);
  return reader.read(file.content, becomesBody);
}

class TnefReader {
  readonly #path: string;
  readonly #budget: TnefBudget;
  readonly #defects: Defects;
  readonly #files: FoundFile[] = [];
  readonly #readable: { kind: Kind; text: string }[] = [];

  constructor(path: string, budget: TnefBudget, defects: Defects) {
    this.#path = path;
    this.#budget = budget;
    this.#defects = defects;
  }

  read(content: Buffer, becomesBody: boolean): OpenedTnef {
    const body = this.#readMessage(content, 1);
    const fits = (text: string | null): boolean => becomesBody && (text?.length ?? 0) <= MAX_BODY_LENGTH;
    const text = fits(body.text) ? body.text : null;
    const html = fits(body.html) ? body.html : null;
    if (text === null) this.#addText('message-body.txt', 'text/plain', body.text);
    if (html === null) this.#addText('message-body.html', 'text/html', body.html);
    if (body.rtf !== null) this.#addFile('message-body.rtf', 'application/rtf', body.rtf, null);
    const attached = this.#readable.splice(0);
    this.#addReadable(body);
    return { text, html, readable: [...this.#readable, ...attached], files: this.#files };
  }

  /** Adds the text, else the HTML, else the text of the RTF. */
  #addReadable({ html, rtf, text }: MessageBodies): void {
    const isHtml = text === null && html !== null && html.length <= MAX_BODY_LENGTH;
    const shown = text ?? (isHtml ? html : rtf === null ? null : rtfToText(rtf, this.#defects));
    if (shown !== null) this.#readable.push({ kind: isHtml ? 'html' : 'text', text: shown });
  }

  /** Adds the message's attachments to the files and returns its bodies. */
  #readMessage(content: Buffer, depth: number): MessageBodies {
    const bodies: MessageBodies = { text: null, html: null, rtf: null, subject: null };
    let codepage: string | null = null;
    let pending: Pending | null = null;
    for (const { level, id, value, isDamaged } of readAttributes(content)) {
      if (isDamaged) this.#defects.add('tnef_damaged');
      if (id === ATTRIBUTE.attachmentStart) {
        this.#addPending(pending, codepage, depth);
        pending = { title: null, data: null, list: null };
      } else if (level === 2) {
        pending ??= { title: null, data: null, list: null };
        if (id === ATTRIBUTE.attachmentTitle) pending.title = value;
        if (id === ATTRIBUTE.attachmentData) pending.data = value;
        if (id === ATTRIBUTE.attachmentProperties) pending.list = this.#properties(value);
      } else if (id === ATTRIBUTE.codepage && value.length >= 4) {
        codepage = `cp${value.readUInt32LE(0)}`;
      } else if (id === ATTRIBUTE.body) {
        bodies.text ??= this.#string8(value, codepage);
      } else if (id === ATTRIBUTE.messageProperties) {
        this.#readBodies(this.#properties(value), codepage, bodies);
      }
    }
    this.#addPending(pending, codepage, depth);
    return bodies;
  }

  #readBodies(list: PropertyList, codepage: string | null, bodies: MessageBodies): void {
    const { properties } = list;
    const internet = properties.get(PROPERTY.internetCodepage);
    const htmlCharset =
      internet !== undefined && internet.value.length >= 4 ? `cp${internet.value.readUInt32LE(0)}` : codepage;
    const rtf = properties.get(PROPERTY.compressedRtf);
    bodies.text = this.#string(properties.get(PROPERTY.body), codepage) ?? bodies.text;
    bodies.html = this.#string(properties.get(PROPERTY.bodyHtml), htmlCharset) ?? bodies.html;
    bodies.subject = this.#string(properties.get(PROPERTY.subject), codepage);
    if (rtf !== undefined) {
      bodies.rtf = decompressRtf(rtf.value, this.#budget.rtfBytes);
      this.#budget.rtfBytes -= bodies.rtf?.length ?? 0;
      if (bodies.rtf === null) this.#defects.add('tnef_damaged');
    }
  }

  #addPending(pending: Pending | null, codepage: string | null, depth: number): void {
    if (pending === null) return;
    const properties: ReadonlyMap<number, Property> = pending.list?.properties ?? new Map();
    const data = properties.get(PROPERTY.attachData);
    const name =
      this.#string(properties.get(PROPERTY.attachLongFilename), codepage) ??
      (pending.title === null ? null : this.#string8(pending.title, codepage)) ??
      this.#string(properties.get(PROPERTY.attachFilename), codepage) ??
      this.#string(properties.get(PROPERTY.displayName), codepage);
    const type = this.#string(properties.get(PROPERTY.attachMimeTag), codepage)?.toLowerCase() ?? null;
    const contentId = this.#string(properties.get(PROPERTY.attachContentId), codepage);

    if (data?.type === TYPE.object) {
      // An object begins with the GUID of its interface; an attached message continues as a TNEF stream.
      const object = data.value.subarray(16);
      const isMessage = object.length >= 4 && object.readUInt32LE(0) === TNEF_SIGNATURE;
      if (isMessage && depth < MAX_DEPTH) this.#addMessage(object, name, depth);
      else this.#addFile(name, isMessage ? 'application/ms-tnef' : type, object, contentId);
      return;
    }
    const content = data?.value ?? pending.data;
    if (content === null) return;
    this.#addFile(name, type, content, contentId);
  }

  /** Adds an attached message: its bodies as files named after it, then its own attachments. */
  #addMessage(content: Buffer, name: string | null, depth: number): void {
    const before = this.#files.length;
    const bodies = this.#readMessage(content, depth + 1);
    const base = (bodies.subject ?? name ?? 'message').replaceAll(/[/\\]/g, '-');
    this.#addText(`${base}.txt`, 'text/plain', bodies.text);
    this.#addText(`${base}.html`, 'text/html', bodies.html);
    if (bodies.rtf !== null) this.#addFile(`${base}.rtf`, 'application/rtf', bodies.rtf, null);
    this.#addReadable(bodies);
    // A contact or a distribution list, which this reader cannot open.
    if (this.#files.length === before) this.#addFile(`${base}.tnef`, 'application/ms-tnef', content, null);
  }

  #addText(name: string, type: string, text: string | null): void {
    if (text !== null) this.#addFile(name, type, Buffer.from(text, 'utf8'), null);
  }

  #addFile(name: string | null, type: string | null, content: Buffer, contentId: string | null): void {
    if (this.#budget.files <= 0) {
      this.#defects.add('tnef_damaged');
      return;
    }
    this.#budget.files -= 1;
    this.#files.push({
      path: `${this.#path}.tnef.${this.#files.length + 1}`,
      parentPath: this.#path,
      content,
      name,
      type: type !== null && /^[\w.+-]+\/[\w.+-]+$/.test(type) ? type : 'application/octet-stream',
      description: null,
      references: null,
      contentId,
      contentLocation: null,
    });
  }

  #properties(value: Buffer): PropertyList {
    const list = readProperties(value);
    if (list.isDamaged) this.#defects.add('tnef_damaged');
    return list;
  }

  #string(property: Property | undefined, codepage: string | null): string | null {
    if (property === undefined) return null;
    if (property.type !== TYPE.unicode) return this.#string8(property.value, codepage);
    return this.#filled(new TextDecoder('utf-16le').decode(property.value));
  }

  #string8(value: Buffer, codepage: string | null): string | null {
    const end = value.indexOf(0);
    return this.#filled(decodeText(end < 0 ? value : value.subarray(0, end), codepage, this.#defects));
  }

  /** Cuts the text at the first NUL; null when it is blank. */
  #filled(text: string): string | null {
    const end = text.indexOf('\0');
    const filled = cleanText(end < 0 ? text : text.slice(0, end), this.#defects).replaceAll('\r\n', '\n');
    return filled.trim() === '' ? null : filled;
  }
}

interface MessageBodies {
  text: string | null;
  html: string | null;
  rtf: Buffer | null;
  subject: string | null;
}
