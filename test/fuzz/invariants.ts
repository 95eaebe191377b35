/** The invariants of every parsed email, for any input bytes. The fuzz workers check them. */
import { hash } from 'node:crypto';
import type { ParsedEmail } from '../../shared/mime/parsed-email.ts';

/**
 * Limit of the attachment bytes, as a multiple of the email. Compressed RTF in a winmail.dat grows up to nine times, and
 * base64 in the email needs four characters for three bytes.
 */
const MAX_GROWTH = 10;
/** Small emails may grow more: the parser generates names, and text becomes UTF-8. */
const ALLOWANCE_BYTES = 4_096;

/** Violations that begin with one of these count as crashes. */
export const REJECTED = 'parseEmail rejected';
export const PARSER_THREW = 'the parser threw an exception';

/** @returns the violated invariants, one sentence each */
export function violationsOf(email: ParsedEmail, inputBytes: number): string[] {
  const violations: string[] = [];
  const check = (holds: boolean, violation: string): void => {
    if (!holds) violations.push(violation);
  };
  const maxBytes = inputBytes * MAX_GROWTH + ALLOWANCE_BYTES;
  // The parser catches its own exceptions and records this defect. The fuzzer counts them as crashes.
  check(!email.defects.includes('reader_failed'), PARSER_THREW);
  for (const [path, text] of stringsOf(email)) {
    check(text.isWellFormed(), `${path} is not well-formed UTF-16`);
    check(!text.includes('\0'), `${path} contains NUL`);
    check(text.length <= maxBytes, `${path} is longer than ${MAX_GROWTH} times the email`);
  }
  check(email.sentAt === null || Number.isFinite(email.sentAt.getTime()), 'sentAt is not a valid time');
  check(isSortedOnce(email.defects), 'defects are not sorted or contain a duplicate');
  let fileBytes = 0;
  const paths = new Set<string>();
  for (const file of email.attachments) {
    check(file.filename.trim() !== '', `${file.partPath} has no name`);
    check(file.filename.length <= 255, `${file.partPath} has a name of ${file.filename.length} characters`);
    check(
      !/[/\\\p{Cc}]/u.test(file.filename),
      `${file.partPath} has a name with a folder or a control character`,
    );
    check(file.sizeBytes === file.content.length, `${file.partPath} has a wrong sizeBytes`);
    check(file.sha256 === hash('sha256', file.content, 'hex'), `${file.partPath} has a wrong SHA-256`);
    check(!paths.has(file.partPath), `${file.partPath} occurs twice`);
    paths.add(file.partPath);
    fileBytes += file.content.length;
  }
  check(fileBytes <= maxBytes, `attachments have ${fileBytes} bytes, the email has ${inputBytes}`);
  return violations;
}

/** The parts of a result that two runs over the same bytes must produce identically. Files are compared by SHA-256. */
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
