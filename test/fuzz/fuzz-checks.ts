/** What must be true of every result of the reader, whatever the bytes were. */
import { hash } from 'node:crypto';
import type { ParsedEmail } from '../../shared/mime/parsed-email.ts';

/**
 * Most bytes that files may have, as a multiple of the mail: compressed RTF in a winmail.dat grows ninefold, and each
 * byte is in the email as a character and a third of base64.
 */
const MAX_GROWTH = 10;
/** For what a few bytes are turned into: names that are made up, and texts in UTF-8. */
const ALLOWANCE_BYTES = 4_096;

/** @returns what is wrong, one sentence each */
export function faultsOf(email: ParsedEmail, inputBytes: number): string[] {
  const faults: string[] = [];
  const check = (holds: boolean, fault: string): void => {
    if (!holds) faults.push(fault);
  };
  const most = inputBytes * MAX_GROWTH + ALLOWANCE_BYTES;
  // The reader catches what it throws itself, and says so: here that is a crash.
  check(!email.defects.includes('reader_failed'), 'the reader threw');
  for (const [path, text] of stringsOf(email)) {
    check(text.isWellFormed(), `${path} is no well-formed UTF-16`);
    check(!text.includes('\0'), `${path} holds NUL`);
    check(text.length <= most, `${path} is longer than ${MAX_GROWTH} emails`);
  }
  check(email.sentAt === null || Number.isFinite(email.sentAt.getTime()), 'sentAt is no time');
  check(isSortedOnce(email.defects), 'defects are not sorted, each once');
  let fileBytes = 0;
  const paths = new Set<string>();
  for (const file of email.attachments) {
    check(file.filename.trim() !== '', `${file.partPath} has no name`);
    check(file.filename.length <= 255, `${file.partPath} has a name of ${file.filename.length} characters`);
    check(
      !/[/\\\p{Cc}]/u.test(file.filename),
      `${file.partPath} has a name with a folder or a control character`,
    );
    check(file.sizeBytes === file.content.length, `${file.partPath} has another size than it says`);
    check(
      file.sha256 === hash('sha256', file.content, 'hex'),
      `${file.partPath} has another SHA-256 than it says`,
    );
    check(!paths.has(file.partPath), `${file.partPath} occurs twice`);
    paths.add(file.partPath);
    fileBytes += file.content.length;
  }
  check(fileBytes <= most, `files of ${fileBytes} bytes out of a mail of ${inputBytes}`);
  return faults;
}

/** What two readings of the same bytes must agree on; files are compared by SHA-256. */
export function summaryOf(email: ParsedEmail): string {
  return JSON.stringify(email, (key, value: unknown) => (key === 'content' ? undefined : value));
}

function isSortedOnce(defects: readonly string[]): boolean {
  return defects.every((defect, index) => index === 0 || (defects[index - 1] ?? '') < defect);
}

function stringsOf(value: unknown, path = 'email'): [string, string][] {
  if (typeof value === 'string') return [[path, value]];
  if (value === null || typeof value !== 'object') return [];
  if (value instanceof Uint8Array || value instanceof Date) return [];
  return Object.entries(value).flatMap(([key, inner]) => stringsOf(inner, `${path}.${key}`));
}
