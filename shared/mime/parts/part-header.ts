/** The decoded header block of one part. */

import { effectiveEncoding } from '../encoding/transfer-encoding.ts';
import { decodeWords } from '../headers/encoded-words.ts';
import type { HeaderFields } from '../headers/header-block.ts';
import { headerText, headerTexts } from '../headers/header-text.ts';
import { parseStructured, type StructuredValue } from '../headers/parameters.ts';
import type { Defects } from '../parsed-email.ts';

export interface PartHeader {
  /** `type/subtype` in lower case; null when absent or unreadable. */
  readonly type: string | null;
  /** True when a Content-Type names a boundary but no usable type: then it is a multipart. */
  readonly isBrokenMultipart: boolean;
  readonly charset: string | null;
  /** The boundary parameter of a Content-Type of any type; null for none. */
  readonly boundary: string | null;
  /** `format=flowed`: a line that ends in a space continues in the next; `delsp=yes` removes the space. */
  readonly flowed: 'no' | 'flowed' | 'delsp';
  /** The Content-ID of the root part of a multipart/related; null when not declared. */
  readonly start: string | null;
  /** S/MIME: the content of the CMS object. */
  readonly smimeType: string | null;
  /** Decoded but not yet cleaned; null when neither header names the part. */
  readonly filename: string | null;
  /** Content-Description, decoded: some senders write the file's name there alone. */
  readonly description: string | null;
  readonly isAttachment: boolean;
  /** Bytes of the file, by Content-Disposition; null when not declared. Some senders give the encoded size. */
  readonly declaredSizeBytes: number | null;
  /** Declared as inline: an email client shows it between the texts. */
  readonly isInline: boolean;
  /** Null when absent. */
  readonly transferEncoding: string | null;
  /** Without angle brackets. */
  readonly contentId: string | null;
  readonly contentLocation: string | null;
}

const EMPTY: StructuredValue = { value: '', parameters: new Map() };

export function readPartHeader(fields: HeaderFields, defects: Defects): PartHeader {
  const structured = (name: string): StructuredValue[] =>
    fields.has(name) ? headerTexts(fields, name, defects).map((text) => parseStructured(text, defects)) : [];
  const types = structured('content-type');
  const dispositions = structured('content-disposition');
  const encodings = headerTexts(fields, 'content-transfer-encoding', defects);
  if (types.length > 1 || dispositions.length > 1 || encodings.length > 1) defects.add('duplicate_header');
  const contentType =
    types.find(isMultipartType) ?? types.find(({ value }) => typeOf(value) !== null) ?? types[0] ?? EMPTY;
  const type = typeOf(contentType.value);
  const first = (structures: StructuredValue[], name: string): string | undefined =>
    structures.find(({ parameters }) => filled(parameters.get(name)))?.parameters.get(name);
  const boundary = first([contentType, ...types], 'boundary')?.trimEnd() ?? null;
  const description = headerText(fields, 'content-description', defects);
  return {
    type,
    isBrokenMultipart: type === null && boundary !== null,
    charset: first([contentType, ...types], 'charset') ?? null,
    boundary,
    flowed: flowedOf(contentType),
    start: firstFilled(contentType.parameters.get('start')?.replace(/^<|>$/g, '').trim()),
    smimeType: contentType.parameters.get('smime-type')?.toLowerCase() ?? null,
    filename: firstFilled(
      first(dispositions, 'filename'),
      first(dispositions, 'name'),
      first([contentType, ...types], 'name'),
      first([contentType, ...types], 'filename'),
    ),
    description: description === null ? null : firstFilled(decodeWords(description, defects)),
    declaredSizeBytes: sizeOf(first(dispositions, 'size')),
    isAttachment: dispositions.some(({ value }) => value === 'attachment'),
    isInline: dispositions.some(({ value }) => value === 'inline'),
    transferEncoding: effectiveEncoding(encodings),
    contentId: firstFilled(headerText(fields, 'content-id', defects)?.replace(/^<|>$/g, '').trim()),
    contentLocation: firstFilled(headerText(fields, 'content-location', defects)?.replace(/\s+/g, '')),
  };
}

/** Common short forms of a type. By the standards, any other invalid type is text. */
const SHORT_TYPES: ReadonlyMap<string, string> = new Map([
  ['html', 'text/html'],
  ['plain', 'text/plain'],
  ['text', 'text/plain'],
  ['pdf', 'application/pdf'],
]);

function typeOf(value: string): string | null {
  // What follows a comma, a colon or another slash is not part of the type.
  const type = /^([\w!#$&^.+-]+\/[\w!#$&^.+-]+)(?:[,:/].*)?$/.exec(value)?.[1];
  return type ?? SHORT_TYPES.get(value) ?? null;
}

function isMultipartType({ parameters, value }: StructuredValue): boolean {
  return typeOf(value)?.startsWith('multipart/') === true && filled(parameters.get('boundary'));
}

function flowedOf({ parameters }: StructuredValue): PartHeader['flowed'] {
  if (parameters.get('format')?.toLowerCase() !== 'flowed') return 'no';
  return parameters.get('delsp')?.toLowerCase() === 'yes' ? 'delsp' : 'flowed';
}

function sizeOf(declared: string | undefined): number | null {
  return declared !== undefined && /^\d{1,12}$/.test(declared) ? Number(declared) : null;
}

function filled(value: string | undefined): value is string {
  return value !== undefined && value.trim() !== '';
}

function firstFilled(...values: (string | undefined)[]): string | null {
  return values.find(filled) ?? null;
}
