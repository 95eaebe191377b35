/** What the header block of one part says about the part, decoded once. */

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
  /** As a Content-Type names it, whatever the type is; null for none. */
  readonly boundary: string | null;
  /** `format=flowed`: lines that end in a space go on in the next; with `delsp=yes` the space goes. */
  readonly flowed: 'no' | 'flowed' | 'delsp';
  /** S/MIME: what the CMS object holds. */
  readonly smimeType: string | null;
  /** Decoded but not yet cleaned; null when neither header names the part. */
  readonly filename: string | null;
  /** Content-Description, decoded: some senders write the file's name there alone. */
  readonly description: string | null;
  readonly isAttachment: boolean;
  /** Declared so: a mail program shows it between the texts. */
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
  if (types.length > 1 || dispositions.length > 1) defects.add('duplicate_header');
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
    smimeType: contentType.parameters.get('smime-type')?.toLowerCase() ?? null,
    filename: firstFilled(
      first(dispositions, 'filename'),
      first(dispositions, 'name'),
      first([contentType, ...types], 'name'),
    ),
    description: description === null ? null : firstFilled(decodeWords(description, defects)),
    isAttachment: dispositions.some(({ value }) => value === 'attachment'),
    isInline: dispositions.some(({ value }) => value === 'inline'),
    transferEncoding: headerText(fields, 'content-transfer-encoding', defects),
    contentId: firstFilled(headerText(fields, 'content-id', defects)?.replace(/^<|>$/g, '').trim()),
    contentLocation: firstFilled(headerText(fields, 'content-location', defects)?.replace(/\s+/g, '')),
  };
}

/** What senders write for a type; the standards read everything else as text. */
const SHORT_TYPES: ReadonlyMap<string, string> = new Map([
  ['html', 'text/html'],
  ['plain', 'text/plain'],
  ['text', 'text/plain'],
  ['pdf', 'application/pdf'],
]);

function typeOf(value: string): string | null {
  if (/^[\w!#$&^.+-]+\/[\w!#$&^.+-]+$/.test(value)) return value;
  return SHORT_TYPES.get(value) ?? null;
}

function isMultipartType({ parameters, value }: StructuredValue): boolean {
  return typeOf(value)?.startsWith('multipart/') === true && filled(parameters.get('boundary'));
}

function flowedOf({ parameters }: StructuredValue): PartHeader['flowed'] {
  if (parameters.get('format')?.toLowerCase() !== 'flowed') return 'no';
  return parameters.get('delsp')?.toLowerCase() === 'yes' ? 'delsp' : 'flowed';
}

function filled(value: string | undefined): value is string {
  return value !== undefined && value.trim() !== '';
}

function firstFilled(...values: (string | undefined)[]): string | null {
  return values.find(filled) ?? null;
}
