/** Converts the parts that are not bodies into attachments, each with a name, a type and a hash. */

import { hash } from 'node:crypto';
import { cleanText } from '../encoding/clean-text.ts';
import { decodeWords } from '../headers/encoded-words.ts';
import { readHeaderBlock } from '../headers/header-block.ts';
import { headerText } from '../headers/header-text.ts';
import { messageStart } from '../headers/message-start.ts';
import type { Defects, ParsedAttachment } from '../parsed-email.ts';
import { detectType } from './detected-type.ts';
import { cleanFilename, describedFilename, inventFilename } from './filenames.ts';
import type { InlineReferences } from './inline-references.ts';
import type { Part } from './part.ts';
import { isMultipart, joinPath } from './part.ts';

/** The encoded size, which some senders declare, is 1.37 times that of the file. */
const MIN_SHARE_OF_SIZE = 0.6;

/** A file found in an email, before its type is detected. */
export interface FoundFile {
  readonly path: string;
  /** The path of the file that contains it; null when there is none. */
  readonly parentPath: string | null;
  readonly content: Buffer;
  /** As declared; null when it has no name. */
  readonly name: string | null;
  readonly type: string;
  readonly description: string | null;
  /** The references of the message's HTML; null when there is no HTML. */
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
  const isFile = isNamed || !/^(?:text|message|multipart)\//.test(part.type);
  if (content.length === 0 && isFile) defects.add('file_empty');
  else if (content.length < (header.declaredSizeBytes ?? 0) * MIN_SHARE_OF_SIZE)
    defects.add('file_truncated');
  return {
    path: part.parent === null && isMultipart(part) ? joinPath(part.path, 1) : part.path,
    parentPath: part.parentPath,
    content,
    name: header.filename ?? (part.type === 'message/rfc822' ? nameOfMessage(content, defects) : null),
    // By the standards, a part without a type is text. A named part without a type may be any file.
    type: header.type ?? (isNamed && !isMultipart(part) ? 'application/octet-stream' : part.type),
    description: header.description,
    references,
    contentId: header.contentId,
    contentLocation: header.contentLocation,
  };
}

/** @param ordinal position among the email's attachments, from 1; used to name those without a name */
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
    parentPath: file.parentPath,
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

/** Types that an email client can show inside HTML. A document that the HTML refers to stays a file. */
function isShowable(type: string): boolean {
  return /^(?:image|audio|video|font)\/|^text\/css$/.test(type);
}

/** `<subject>.eml`, from the headers of the attached message; null when it has no subject. */
function nameOfMessage(content: Buffer, defects: Defects): string | null {
  const inner: Defects = new Set();
  const { fields } = readHeaderBlock(messageStart(content, inner), 0, () => false, inner);
  const subject = decodeWords(headerText(fields, 'subject', inner) ?? '', inner);
  // A slash in a subject is not a path separator.
  const name = cleanFilename(subject.replaceAll(/[/\\]/g, '-').slice(0, 200), defects);
  return name === null ? null : `${name}.eml`;
}
