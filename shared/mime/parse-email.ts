/**
 * Parses the bytes of one email. Called by `ingest` for every message and by reprocessing for stored emails.
 * Invariant: every input gives an email; errors in the input are reported as `defects`.
 *
 * It does not use a parser library, because every part must be returned once and byte for byte. Libraries rewrite line ends
 * of attachments and attached messages, and reject an email beyond their limits.
 */

import { CharsetLibraryNeeded, loadCharsetLibrary } from './encoding/charset-library.ts';
import { readHeaderBlock } from './headers/header-block.ts';
import { messageStart } from './headers/message-start.ts';
import { readHead } from './headers/read-head.ts';
import { ParseBudget, ParseBudgetExceeded, threadCpuMs } from './parse-budget.ts';
import { type Defects, EMPTY_EMAIL, type ParsedAttachment, type ParsedEmail } from './parsed-email.ts';
import { type FoundFile, toAttachment } from './parts/attachments.ts';
import { readPartTree } from './parts/part-tree.ts';
import { readMessage } from './read-message.ts';
import { htmlBudget } from './text/html-text.ts';
import { hasLinkedFiles } from './text/linked-files.ts';
import { tnefBudget } from './tnef/tnef.ts';

/** Same limit as a body. */
const MAX_PLAIN_LENGTH = 10 * 1024 * 1024;

/**
 * Reads one email. Never rejects. Time is linear in the number of bytes; memory is a small multiple of it.
 *
 * @param raw the exact bytes that Gmail returns. Attachments may be views on them: do not modify them.
 * @param cpuMs CPU time of the calling thread so far, in ms, for the budget
 */
export async function parseEmail(raw: Uint8Array, cpuMs: () => number = threadCpuMs): Promise<ParsedEmail> {
  const bytes = Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength);
  const budget = new ParseBudget(bytes.length, cpuMs);
  try {
    return await readEmail(bytes, budget);
  } catch (error) {
    if (!(error instanceof CharsetLibraryNeeded)) return await unreadEmail(bytes, error);
  }
  try {
    // Loads once per process.
    await loadCharsetLibrary();
    return await readEmail(bytes, new ParseBudget(bytes.length, cpuMs));
  } catch (error) {
    return await unreadEmail(bytes, error);
  }
}

async function readEmail(bytes: Buffer, budget: ParseBudget): Promise<ParsedEmail> {
  const defects: Defects = new Set();
  if (bytes.length === 0) defects.add('empty_message');
  const root = readPartTree(messageStart(bytes, defects), { defects, budget, parentPath: null });
  const head = readHead(root.fields, root.type, defects);
  const content = await readMessage(root, { defects, budget, html: htmlBudget(), tnef: tnefBudget() });
  const attachments: ParsedAttachment[] = [];
  for (const file of content.files) {
    budget.checkTime();
    attachments.push(await toAttachment(file, attachments.length + 1, defects));
  }
  const plainText = content.plain.join('\n\n').slice(0, MAX_PLAIN_LENGTH).toWellFormed();
  if (plainText === '') defects.add('body_missing');
  if (hasLinkedFiles(content.html ?? '') || hasLinkedFiles(plainText)) defects.add('linked_files');
  return {
    ...head,
    bodyText: content.text || null,
    bodyHtml: content.html || null,
    plainText: plainText || null,
    attachments,
    defects: [...defects].sort(),
  };
}

/** The result for an email that could not be parsed: its head, and the whole email as one file. */
export async function unreadEmail(bytes: Buffer, error: unknown): Promise<ParsedEmail> {
  // No input is known to cause `reader_failed`. Such an email is stored anyway.
  const defects: Defects = new Set([
    error instanceof ParseBudgetExceeded ? 'parse_budget_exceeded' : 'reader_failed',
  ]);
  const attachments = [await toAttachment(wholeAsFile(bytes), 1, defects)];
  let head = {};
  try {
    const { fields } = readHeaderBlock(messageStart(bytes, new Set()), 0, () => false, new Set());
    head = readHead(fields, '', new Set());
  } catch {
    // The head cannot be read; the file contains it.
  }
  return { ...EMPTY_EMAIL, ...head, attachments, defects: [...defects].sort() };
}

function wholeAsFile(bytes: Buffer): FoundFile {
  return {
    path: '1',
    parentPath: null,
    content: bytes,
    name: 'message.eml',
    type: 'message/rfc822',
    description: null,
    references: null,
    contentId: null,
    contentLocation: null,
  };
}
