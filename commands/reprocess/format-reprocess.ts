/**
 * What `npm run reprocess` says: of each email the names of the columns that change and its files by name, size and
 * SHA-256, and the counts at the end. Never a word of mail beyond the names of files, and those quoted.
 */
import type { Difference, FileChange, FileMark } from '../../shared/reprocess/parsed-difference.ts';
import type { Reread, RereadFault } from '../../shared/reprocess/reprocess.ts';
import { counted, painted, quoted } from '../support/terminal.ts';

const FAULTS: Record<RereadFault, string> = {
  raw_missing: 'its exact bytes are missing in email_raw; it stays as it is.',
  checksum_wrong:
    'its exact bytes do not match their SHA-256; it stays as it is. Restore email_raw from a backup.',
  raw_damaged: 'its exact bytes cannot be decompressed; it stays as it is. Restore email_raw from a backup.',
  unstorable:
    'PostgreSQL refuses what the reader made of it; it stays as it is. That is a defect of this software.',
};

/** One line for the email, one for each of its files that changes. */
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

function mark({ partPath, filename, sizeBytes, sha256 }: FileMark): string {
  return `part ${quoted(partPath).slice(1, -1)} ${quoted(filename)} ${counted(sizeBytes, 'byte')} ${sha256.slice(0, 12)}`;
}

/** The counts of a run. */
export class Tally {
  readonly faults: { readonly emailId: number; readonly fault: RereadFault }[] = [];
  readonly #columns = new Map<string, number>();
  readonly #files = { added: 0, removed: 0, changed: 0 };
  readonly #counts = { same: 0, changed: 0, skipped: 0 };
  #processedCount = 0;

  get seen(): number {
    const { same, changed, skipped } = this.#counts;
    return same + changed + skipped + this.faults.length;
  }

  get changed(): number {
    return this.#counts.changed;
  }

  add({ emailId, result }: Reread): void {
    if (result.kind === 'fault') {
      this.faults.push({ emailId, fault: result.fault });
      return;
    }
    this.#counts[result.kind] += 1;
    if (result.kind !== 'changed') return;
    if (result.wasProcessed) this.#processedCount += 1;
    for (const { kind } of result.difference.files) this.#files[kind] += 1;
    for (const name of result.difference.columns) this.#columns.set(name, (this.#columns.get(name) ?? 0) + 1);
  }

  summary(mode: { readonly applies: boolean; readonly resetsProcessed: boolean }): string {
    const { same, changed, skipped } = this.#counts;
    const done = mode.applies ? 'rebuilt' : 'would be rebuilt';
    const lines = [
      `${counted(same + changed, 'email')} ${done}, ${changed} of them differ from ${mode.applies ? 'before' : 'what stands there'}`,
    ];
    for (const [name, count] of [...this.#columns].sort(([, a], [, b]) => b - a))
      lines.push(`  ${name}: ${count}`);
    const { added, removed, changed: changedFiles } = this.#files;
    if (added + removed + changedFiles > 0)
      lines.push(`  attachments: ${added} added, ${removed} removed, ${changedFiles} changed`);
    if (skipped > 0) lines.push(`${skipped} skipped (removed, or read by a newer reader)`);
    if (this.#processedCount > 0) lines.push(this.#processedLine(mode));
    if (this.faults.length > 0) {
      lines.push(`${painted('red', `${this.faults.length} not rebuilt`)}:`);
      lines.push(...this.faults.map(({ emailId, fault }) => `  email ${emailId}: ${FAULTS[fault]}`));
    }
    return lines.join('\n');
  }

  #processedLine(mode: { readonly applies: boolean; readonly resetsProcessed: boolean }): string {
    const who = `${this.#processedCount} of those that differ ${mode.applies ? 'were' : 'are'} processed already`;
    if (!mode.resetsProcessed) return `${who}: they stay so; with --reset-processed they count as new again.`;
    return `${who}: they ${mode.applies ? 'count' : 'would count'} as not processed again.`;
  }
}
