// Fills a mailbox from a folder of .eml files, as `npm start` does, and takes along what is a mail under another
// name. The same folder gives the same ids at every start: what was stored under them before stays the same mail.

import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import type { DeliveryOptions, Mailbox } from './mailbox.ts';
import { parseHeaders } from './mime-headers.ts';

export interface FolderResult {
  deliveredCount: number;
  /** Already there, from the journal or an earlier call; deleted mail does not come back either. */
  knownCount: number;
  /** Files that are no mail, by name and content. */
  skippedCount: number;
}

/** The folder cannot fill a mailbox; the message says why and is fit for the operator. */
export class MailboxFolderError extends Error {}

/**
 * Delivers every mail in `folder` and below, sorted by path: each .eml file, and each file of another name that
 * begins with the header of a mail. May run again on the same mailbox.
 * @param options.nowMs a Date header later than this is not believed
 * @throws {MailboxFolderError} the folder is missing, no folder, or holds no mail
 */
export async function fillFromFolder(
  mailbox: Mailbox,
  folder: string,
  options: { nowMs: number; delivery?: Omit<DeliveryOptions, 'id' | 'internalDate'> },
): Promise<FolderResult> {
  const result: FolderResult = { deliveredCount: 0, knownCount: 0, skippedCount: 0 };
  for (const path of await files(folder)) {
    const raw = await readFile(path);
    // Gmail holds no message without a byte.
    if (raw.length === 0 || (!path.toLowerCase().endsWith('.eml') && !looksLikeMail(raw))) {
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
  // By code unit, not by locale: the same order on every machine.
  return paths.sort((left, right) => (left < right ? -1 : 1));
}

/** Fields that stand at the head of mails and of hardly anything else; one is enough, in the first header lines. */
const MAIL_FIELDS =
  /^(received|return-path|delivered-to|from|to|subject|date|message-id|mime-version|content-type):/im;

/** The first line is a header field, and a known one stands in the header. An mbox is many mails, and none. */
function looksLikeMail(raw: Buffer): boolean {
  const head = raw.toString('latin1', 0, 16_384).split(/\r?\n\r?\n/, 1)[0] ?? '';
  return /^[!-9;-~]+:/.test(head) && MAIL_FIELDS.test(head);
}

function reason(cause: unknown): string {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  if (code === 'ENOENT') return 'it does not exist';
  if (code === 'ENOTDIR') return 'it is not a folder';
  return String(code ?? cause);
}

/** 16 hexadecimal digits out of path and content. */
function stableId(path: string, raw: Buffer): string {
  return createHash('sha256').update(path).update('\0').update(raw).digest('hex').slice(0, 16);
}

/** When the mail says that it was sent; undefined when it does not, or claims the future. */
function dateOf(raw: Buffer, nowMs: number): Date | undefined {
  // A comment such as `(CET)` behind the offset is allowed and unreadable to Date.
  const header = parseHeaders(raw)
    .get('date')
    ?.replace(/\([^)]*\)/g, '');
  const date = new Date(header ?? '');
  const isReadable = !Number.isNaN(date.getTime()) && date.getTime() >= 0 && date.getTime() <= nowMs;
  return isReadable ? date : undefined;
}
