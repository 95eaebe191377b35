/** Turns what is left of an email once its bodies are chosen into attachments, each with name, type and hash. */

import { hash } from 'node:crypto';
import { cleanText } from '../encoding/clean-text.ts';
import { decodeWords } from '../headers/encoded-words.ts';
import { readHeaderBlock } from '../headers/header-block.ts';
import { headerText } from '../headers/header-text.ts';
import type { Defects, ParsedAttachment } from '../parsed-email.ts';
import { detectType } from './detected-type.ts';
import { cleanFilename, describedFilename, inventFilename } from './filenames.ts';
import type { InlineReferences } from './inline-references.ts';
import { isMultipart, joinPath, type Part } from './part-tree.ts';

/** A file found in an email, before it is looked into. */
export interface FoundFile {
  readonly path: string;
  /** The path of the file that holds it; null for none. */
  readonly holder: string | null;
  readonly content: Buffer;
  /** As declared; null when it has no name. */
  readonly name: string | null;
  readonly type: string;
  readonly description: string | null;
  /** What the HTML of its message shows; null where there is no such HTML. */
  readonly references: InlineReferences | null;
  readonly contentId: string | null;
  readonly contentLocation: string | null;
}

export function fileOfPart(
  part: Part,
  content: Buffer,
  references: InlineReferences | null,
  defects: Defects,
): FoundFile {
  const { header } = part;
  const isNamed = header.filename !== null || header.isAttachment;
  if (content.length === 0 && isNamed) defects.add('file_empty');
  return {
    path: part.parent === null && isMultipart(part) ? joinPath(part.path, 1) : part.path,
    holder: part.holder,
    content,
    name: header.filename ?? (part.type === 'message/rfc822' ? nameOfMessage(content, defects) : null),
    // A nameless part without a type is text, by the standards; a named one may be anything.
    type: header.type ?? (isNamed && !isMultipart(part) ? 'application/octet-stream' : part.type),
    description: header.description,
    references,
    contentId: header.contentId,
    contentLocation: header.contentLocation,
  };
}

/** @param ordinal counts the email's attachments from 1, for those without a name */
export async function toAttachment(
  file: FoundFile,
  ordinal: number,
  defects: Defects,
): Promise<ParsedAttachment> {
  const detectedType = await detectType(file.content);
  const types = [detectedType, file.type];
  const declared = file.name ?? describedFilename(file.description, types);
  const named = declared === null ? null : cleanFilename(declared, defects);
  return {
    partPath: file.path,
    parentPath: file.holder,
    filename: cleanText(named ?? inventFilename(ordinal, types), defects),
    contentType: cleanText(file.type, defects),
    detectedType,
    contentId: file.contentId === null ? null : cleanText(file.contentId, defects),
    isInline:
      isShowable(detectedType ?? file.type) &&
      file.references?.shows(file.contentId, file.contentLocation) === true,
    content: file.content,
    sizeBytes: file.content.length,
    sha256: hash('sha256', file.content, 'hex'),
  };
}

/** What a mail program can show within HTML. A document that the HTML refers to is a file all the same. */
function isShowable(type: string): boolean {
  return /^(?:image|audio|video|font)\/|^text\/css$/.test(type);
}

/** `<subject>.eml`, from the headers of the message inside; null when it has no subject. */
function nameOfMessage(content: Buffer, defects: Defects): string | null {
  const inner: Defects = new Set();
  const { fields } = readHeaderBlock(content, 0, () => false, inner);
  const subject = decodeWords(headerText(fields, 'subject', inner) ?? '', inner);
  // A slash in a subject separates no folders.
  const name = cleanFilename(subject.replaceAll(/[/\\]/g, '-').slice(0, 200), defects);
  return name === null ? null : `${name}.eml`;
}
