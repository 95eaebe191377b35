/** What the header block of one part says about the part, decoded once. */

import type { HeaderFields } from '../headers/header-block.ts';
import { headerText } from '../headers/header-text.ts';
import { parseStructured, type StructuredValue } from '../headers/parameters.ts';
import type { Defects } from '../parsed-email.ts';

export interface PartHeader {
  /** `type/subtype` in lower case; null when absent or unreadable. */
  readonly type: string | null;
  readonly charset: string | null;
  /** Null for anything but a multipart, and for one that names none. */
  readonly boundary: string | null;
  /** Decoded but not yet cleaned; null when neither header names the part. */
  readonly filename: string | null;
  readonly isAttachment: boolean;
  readonly transferEncoding: string | null;
  /** Without angle brackets. */
  readonly contentId: string | null;
  readonly contentLocation: string | null;
}

const EMPTY: StructuredValue = { value: '', parameters: new Map() };

export function readPartHeader(fields: HeaderFields, defects: Defects): PartHeader {
  const structured = (name: string): StructuredValue => {
    const text = headerText(fields, name, defects);
    return text === null ? EMPTY : parseStructured(text, defects);
  };
  const contentType = structured('content-type');
  const disposition = structured('content-disposition');
  const type = /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+$/.test(contentType.value) ? contentType.value : null;
  const boundary = contentType.parameters.get('boundary')?.trimEnd() ?? '';
  const contentId = headerText(fields, 'content-id', defects)?.replace(/^<|>$/g, '').trim();
  return {
    type,
    charset: contentType.parameters.get('charset') ?? null,
    boundary: type?.startsWith('multipart/') && boundary !== '' ? boundary : null,
    filename: firstFilled(disposition.parameters.get('filename'), contentType.parameters.get('name')),
    isAttachment: disposition.value === 'attachment',
    transferEncoding: headerText(fields, 'content-transfer-encoding', defects),
    contentId: firstFilled(contentId),
    contentLocation: firstFilled(headerText(fields, 'content-location', defects)?.replace(/\s+/g, '')),
  };
}

function firstFilled(...values: (string | undefined)[]): string | null {
  return values.find((value) => value !== undefined && value.trim() !== '') ?? null;
}
