/** Turns what is left of an email once its bodies are chosen into attachments, each with name, type and hash. */

import { hash } from 'node:crypto';
import { cleanText } from '../encoding/clean-text.ts';
import { detectType } from './detected-type.ts';
import { decodeWords } from '../headers/encoded-words.ts';
import { cleanFilename, inventFilename } from './filenames.ts';
import { readHeaderBlock } from '../headers/header-block.ts';
import { headerText } from '../headers/header-text.ts';
import type { InlineReferences } from './inline-references.ts';
import type { Defects, ParsedAttachment } from '../parsed-email.ts';
import { isMultipart, type Part } from './part-tree.ts';

/** A file found in an email, before it is looked into. */
export interface FoundFile {
  readonly path: string;
  readonly content: Buffer;
  /** As declared; null when it has no name. */
  readonly name: string | null;
  readonly type: string;
  readonly contentId: string | null;
  readonly contentLocation: string | null;
}

export function fileOfPart(part: Part, content: Buffer, defects: Defects): FoundFile {
  const { header } = part;
  const isNamed = header.filename !== null || header.isAttachment;
  return {
    path: part.path === '' ? '1' : part.path,
    content,
    name: header.filename ?? (part.type === 'message/rfc822' ? nameOfMessage(content, defects) : null),
    // A nameless part without a type is text, by the standards; a named one may be anything.
    type: header.type ?? (isNamed && !isMultipart(part) ? 'application/octet-stream' : part.type),
    contentId: header.contentId,
    contentLocation: header.contentLocation,
  };
}

/** @param ordinal counts the email's attachments from 1, for those without a name */
export async function toAttachment(
  file: FoundFile,
  ordinal: number,
  references: InlineReferences,
  defects: Defects,
): Promise<ParsedAttachment> {
  const detectedType = await detectType(file.content);
  const named = file.name === null ? null : cleanFilename(file.name, defects);
  return {
    partPath: file.path,
    filename: cleanText(named ?? inventFilename(ordinal, [detectedType, file.type]), defects),
    contentType: cleanText(file.type, defects),
    detectedType,
    contentId: file.contentId === null ? null : cleanText(file.contentId, defects),
    isInline: references.shows(file.contentId, file.contentLocation),
    content: file.content,
    sizeBytes: file.content.length,
    sha256: hash('sha256', file.content, 'hex'),
  };
}

/** `<subject>.eml`, from the headers of the message inside; null when it has no subject. */
function nameOfMessage(content: Buffer, defects: Defects): string | null {
  const inner: Defects = new Set();
  const { fields } = readHeaderBlock(content, 0, () => false, inner);
  const subject = decodeWords(headerText(fields, 'subject', inner) ?? '', inner);
  // A slash in a subject parts no folders.
  const name = cleanFilename(subject.replaceAll(/[/\\]/g, '-').slice(0, 200), defects);
  return name === null ? null : `${name}.eml`;
}
