// Fills a mailbox from a folder of .eml files. Files with another name are delivered too if they look like a message.
// The same folder gives the same ids on every run, so clients recognize the messages that they already have.

import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import type { DeliveryOptions, EmulatedMailbox } from './emulated-mailbox.ts';
import { parseHeaders } from './mime-headers.ts';

export interface FolderResult {
  deliveredCount: number;
  /** Already delivered by the journal or an earlier call. Deleted messages count too and are not delivered again. */
  knownCount: number;
  /** Files that are not messages, by name and content. */
  skippedCount: number;
}

/** The folder cannot be used. The message states the reason and can be shown to the user. */
export class MailboxFolderError extends Error {}

/**
 * Delivers every message in `folder` and its subfolders, sorted by path: each .eml file, and each other file that
 * starts with a message header. May run twice on the same mailbox.
 * @param options.nowMs a Date header later than this is ignored
 * @throws {MailboxFolderError} if the path is missing, is not a folder, or contains no message
 */
export async function fillFromFolder(
  mailbox: EmulatedMailbox,
  folder: string,
  options: { nowMs: number; delivery?: Omit<DeliveryOptions, 'id' | 'internalDate'> },
): Promise<FolderResult> {
  const result: FolderResult = { deliveredCount: 0, knownCount: 0, skippedCount: 0 };
  for (const path of await files(folder)) {
    const raw = await readFile(path);
    // Gmail has no empty messages.
    if (raw.length === 0 || (!path.toLowerCase().endsWith('.eml') && !looksLikeMessage(raw))) {
      result.skippedCount += 1;
      continue;
    }
    const id = stableId(relative(folder, path).split(sep).join('/'), raw);
    if (mailbox.hasSeen(id)) {
      result.knownCount += 1;
      continue;
    }
    const internalDate = dateOf(raw, options.nowMs) ?? (await stat(path)).mtime;
    mailbox.deliver(raw, { ...options.delivery, id, internalDate });
    result.deliveredCount += 1;
  }
  if (result.deliveredCount + result.knownCount === 0) {
    throw new MailboxFolderError(`There is no .eml file in the mail folder ${folder}`);
  }
  return result;
}

async function files(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch((cause: unknown) => {
    throw new MailboxFolderError(`Cannot read the mail folder ${folder}: ${reason(cause)}`, { cause });
  });
  const paths = entries
    .filter((entry) => entry.isFile() && !entry.name.startsWith('.'))
    .map((entry) => join(entry.parentPath, entry.name));
  // By code unit, not by locale, so the order is the same on every machine.
  return paths.sort((left, right) => (left < right ? -1 : 1));
}

/** Fields that occur in message headers and hardly anywhere else. One of them is enough. */
const MESSAGE_FIELDS =
  /^(received|return-path|delivered-to|from|to|subject|date|message-id|mime-version|content-type):/im;

/** True if the first line is a header field and the header contains a known field. An mbox file does not qualify. */
function looksLikeMessage(raw: Buffer): boolean {
  const head = raw.toString('latin1', 0, 16_384).split(/\r?\n\r?\n/, 1)[0] ?? '';
  return /^[!-9;-~]+:/.test(head) && MESSAGE_FIELDS.test(head);
}

function reason(cause: unknown): string {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  if (code === 'ENOENT') return 'it does not exist';
  if (code === 'ENOTDIR') return 'it is not a folder';
  return String(code ?? cause);
}

/** 16 hexadecimal digits, derived from path and content. */
function stableId(path: string, raw: Buffer): string {
  return createHash('sha256').update(path).update('\0').update(raw).digest('hex').slice(0, 16);
}

/** The Date header; undefined if it is missing, unreadable or in the future. */
function dateOf(raw: Buffer, nowMs: number): Date | undefined {
  // A comment such as `(CET)` after the offset is allowed, but Date cannot parse it.
  const header = parseHeaders(raw)
    .get('date')
    ?.replace(/\([^)]*\)/g, '');
  const date = new Date(header ?? '');
  const isReadable = !Number.isNaN(date.getTime()) && date.getTime() >= 0 && date.getTime() <= nowMs;
  return isReadable ? date : undefined;
}
