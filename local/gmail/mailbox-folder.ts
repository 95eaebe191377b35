// Fills a mailbox from a folder of .eml files, as `npm start` does. The same folder gives the same ids at
// every start: what was stored under them before stays the same mail.

import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import type { DeliveryOptions, Mailbox } from './mailbox.ts';
import { parseHeaders } from './mime-headers.ts';

export interface FolderResult {
  deliveredCount: number;
  /** Already there, from the journal or an earlier call; deleted mail does not come back either. */
  knownCount: number;
}

/** The folder cannot fill a mailbox; the message says why and is fit for the operator. */
export class MailboxFolderError extends Error {}

/**
 * Delivers every .eml file in `folder` and below, sorted by path. May run again on the same mailbox.
 * @param options.nowMs a Date header later than this is not believed
 * @throws {MailboxFolderError} the folder is missing, no folder, or holds no .eml file
 */
export async function fillFromFolder(
  mailbox: Mailbox,
  folder: string,
  options: { nowMs: number; delivery?: Omit<DeliveryOptions, 'id' | 'internalDate'> },
): Promise<FolderResult> {
  const result: FolderResult = { deliveredCount: 0, knownCount: 0 };
  for (const path of await emlFiles(folder)) {
    const raw = await readFile(path);
    const id = stableId(relative(folder, path).split(sep).join('/'), raw);
    if (mailbox.hasSeen(id)) {
      result.knownCount += 1;
      continue;
    }
    const internalDate = dateOf(raw, options.nowMs) ?? (await stat(path)).mtime;
    mailbox.deliver(raw, { ...options.delivery, id, internalDate });
    result.deliveredCount += 1;
  }
  return result;
}

async function emlFiles(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch((cause: unknown) => {
    throw new MailboxFolderError(`Cannot read the mail folder ${folder}: ${reason(cause)}`, { cause });
  });
  const paths = entries
    .filter((entry) => entry.isFile() && entry.name.toLowerCase().endsWith('.eml'))
    .map((entry) => join(entry.parentPath, entry.name));
  if (paths.length === 0) throw new MailboxFolderError(`There is no .eml file in the mail folder ${folder}`);
  // By code unit, not by locale: the same order on every machine.
  return paths.sort((left, right) => (left < right ? -1 : 1));
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
