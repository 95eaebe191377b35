/**
 * The output of `npm run reprocess`: per email, the names of the columns that change and its files by name, size and
 * SHA-256; at the end, the counts. It contains no email content except file names, and those are quoted.
 */
import type { Difference, FileChange, FileSummary } from '../../shared/reprocess/parsed-difference.ts';
import type { ReprocessedEmail, ReprocessFailure } from '../../shared/reprocess/reprocess-emails.ts';
import { counted, painted, quoted } from '../support/terminal.ts';

const FAILURES: Record<ReprocessFailure, string> = {
  raw_missing: 'its raw bytes are missing in email_raw. It is unchanged.',
  object_missing:
    'its raw bytes are missing in the bucket. It is unchanged. `npm run storage -- verify` lists all missing objects.',
  checksum_wrong:
    'its raw bytes do not match their SHA-256. It is unchanged. Restore email_raw or its object from a backup.',
  raw_damaged:
    'its raw bytes cannot be decompressed. It is unchanged. Restore email_raw or its object from a backup.',
  unstorable: 'PostgreSQL rejects the parsed values. It is unchanged. This is a bug; please report it.',
};

/** One line for the email, and one for each file that changes. */
export function differenceLines(emailId: number, { columns, files }: Difference): string {
  const what = columns.length === 0 ? 'only its files' : columns.join(', ');
  return [`email ${emailId}: ${what}`, ...files.map((file) => `  ${fileLine(file)}`)].join('\n');
}

function fileLine(change: FileChange): string {
  if (change.kind === 'added') return `${painted('green', '+')} ${mark(change.now)}`;
  if (change.kind === 'removed') return `${painted('red', '-')} ${mark(change.before)}`;
  const { before, now, columns } = change;
  const isOtherFile = before.filename !== now.filename || before.sha256 !== now.sha256;
  const was = isOtherFile ? `${mark(before)} -> ` : '';
  return `${painted('yellow', '~')} ${was}${mark(now)}: ${columns.join(', ')}`;
}

function mark({ partPath, filename, sizeBytes, sha256 }: FileSummary): string {
  return `part ${quoted(partPath).slice(1, -1)} ${quoted(filename)} ${counted(sizeBytes, 'byte')} ${sha256.slice(0, 12)}`;
}

/** Counts what a command has done. */
export class ReprocessSummary {
  readonly failures: { readonly emailId: number; readonly reason: ReprocessFailure }[] = [];
  readonly #columns = new Map<string, number>();
  readonly #files = { added: 0, removed: 0, changed: 0 };
  readonly #counts = { same: 0, changed: 0, skipped: 0, in_use: 0 };
  #processedCount = 0;

  /** All emails so far. */
  get count(): number {
    const { same, changed, skipped, in_use: inUse } = this.#counts;
    return same + changed + skipped + inUse + this.failures.length;
  }

  add({ emailId, result }: ReprocessedEmail): void {
    if (result.kind === 'failed') {
      this.failures.push({ emailId, reason: result.reason });
      return;
    }
    this.#counts[result.kind] += 1;
    if (result.kind !== 'changed') return;
    if (result.wasProcessed) this.#processedCount += 1;
    for (const { kind } of result.difference.files) this.#files[kind] += 1;
    for (const name of result.difference.columns) this.#columns.set(name, (this.#columns.get(name) ?? 0) + 1);
  }

  format(mode: { readonly applies: boolean; readonly resetsProcessed: boolean }): string {
    const { same, changed, skipped, in_use: inUse } = this.#counts;
    const done = mode.applies ? 'rebuilt' : 'would be rebuilt';
    const lines = [
      `${counted(same + changed, 'email')} ${done}, ${changed} of them differ from ${mode.applies ? 'before' : 'what is stored'}`,
    ];
    for (const [name, count] of [...this.#columns].sort(([, a], [, b]) => b - a))
      lines.push(`  ${name}: ${count}`);
    const { added, removed, changed: changedFiles } = this.#files;
    if (added + removed + changedFiles > 0)
      lines.push(`  attachments: ${added} added, ${removed} removed, ${changedFiles} changed`);
    if (skipped > 0) lines.push(`${skipped} skipped (removed, or parsed by a newer parser)`);
    if (inUse > 0)
      lines.push(`${inUse} skipped (in use by a worker); run the command again when the worker is done`);
    if (this.#processedCount > 0) lines.push(this.#processedLine(mode));
    if (this.failures.length > 0) {
      lines.push(`${painted('red', `${this.failures.length} not rebuilt`)}:`);
      lines.push(...this.failures.map(({ emailId, reason }) => `  email ${emailId}: ${FAILURES[reason]}`));
    }
    return lines.join('\n');
  }

  #processedLine(mode: { readonly applies: boolean; readonly resetsProcessed: boolean }): string {
    const processed = `${this.#processedCount} of those that differ ${mode.applies ? 'were' : 'are'} processed already`;
    if (!mode.resetsProcessed) return `${processed} and stay so; --reset-processed sets processed to false.`;
    return `${processed}; processed ${mode.applies ? 'was' : 'would be'} set to false for them.`;
  }
}
