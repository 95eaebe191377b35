/** The decoded bytes of the parts of a message, and the signed data within it. */

import { decodeTransfer, isIdentity } from '../encoding/transfer-encoding.ts';
import { decodeUndeclaredBase64 } from '../encoding/undeclared-base64.ts';
import { readHeaderBlock } from '../headers/header-block.ts';
import { beginsWithHeader } from '../headers/message-start.ts';
import type { ParseBudget } from '../parse-budget.ts';
import type { Defects } from '../parsed-email.ts';
import { isCms, readCms } from '../smime/signed-data.ts';
import type { HtmlBudget } from '../text/html-text.ts';
import type { TnefBudget } from '../tnef/tnef.ts';
import type { FoundFile } from './attachments.ts';
import { leaves, type Part } from './part.ts';
import { readPartTree } from './part-tree.ts';

/** Messages within messages, and signed data within signed data. */
export const MAX_DEPTH = 10;

/** State that all messages of one email share. */
export interface MessageContext {
  readonly defects: Defects;
  readonly budget: ParseBudget;
  readonly html: HtmlBudget;
  readonly tnef: TnefBudget;
}

export class PartContents {
  readonly #context: MessageContext;
  readonly #contents = new Map<Part, Buffer>();
  /** The signed files, `order.pdf` of `order.pdf.p7m`. */
  readonly signedFiles = new Map<Part, Buffer>();

  constructor(context: MessageContext) {
    this.#context = context;
  }

  /** Opens signed data, which may contain the body, and decodes undeclared base64. */
  async prepare(part: Part, depth: number): Promise<void> {
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
    const content = await readCms(this.of(part));
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
      this.signedFiles.set(part, content.entity);
      return;
    }
    part.opened = readPartTree(content.entity, {
      defects,
      budget,
      parentPath: part.path === '' ? '1' : part.path,
    });
    for (const inner of leaves(part.opened)) await this.prepare(inner, depth + 1);
  }

  /** Decoded once. Call `prepare` for all leaf parts before. */
  of(part: Part): Buffer {
    let content = this.#contents.get(part);
    if (content === undefined) {
      content = part.isWhole ? part.body : decodeBody(part, this.#context.defects);
      this.#contents.set(part, content);
    }
    return content;
  }
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
export function isMessage({ name, type }: Pick<FoundFile, 'name' | 'type'>): boolean {
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

function isHtml(content: Buffer): boolean {
  return /^\s{0,100}<(?:!doctype|html|head|body|table|div|p|h\d|span|br)[\s>]/i.test(
    content.toString('latin1', 0, 300),
  );
}
