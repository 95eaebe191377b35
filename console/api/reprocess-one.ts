/** Parses one stored email again and describes what changed. It loads the parser, so `email-change-routes.ts` loads it late. */
import { AppError } from '../../shared/errors.ts';
import type { FileChange, FileSummary } from '../../shared/reprocess/parsed-difference.ts';
import { ALL_EMAILS, emailExists } from '../../shared/reprocess/raw-emails.ts';
import {
  type ReprocessContext,
  type ReprocessFailure,
  reprocess,
} from '../../shared/reprocess/reprocess-emails.ts';
import type { Reprocessed } from '../../shared/schemas/emails.ts';

const UNREADABLE: Readonly<Record<Exclude<ReprocessFailure, 'unstorable'>, string>> = {
  raw_missing: 'email_raw has no row for the email.',
  object_missing: 'The bucket has no object with the bytes.',
  checksum_wrong: 'The bytes do not have the SHA-256 that was stored with them.',
  raw_damaged: 'The bytes cannot be decompressed.',
};

/**
 * May run twice. The raw bytes and the id of the email stay.
 *
 * @returns null when there is no such email
 * @throws {AppError} email_claimed, raw_unreadable, unstorable, database_unavailable, and those of the bucket; nothing was changed then
 */
export async function reprocessOne(
  on: ReprocessContext,
  emailId: number,
  resetsProcessed: boolean,
): Promise<Reprocessed | null> {
  const unchanged = { columns: [], files: [], processed_reset: false };
  for await (const { result } of reprocess(
    on,
    { ...ALL_EMAILS, ids: [emailId] },
    { applies: true, resetsProcessed },
  )) {
    if (result.kind === 'same') return { result: 'same', ...unchanged };
    if (result.kind === 'skipped')
      // It may have been erased since it was selected.
      return (await emailExists(on.db, emailId)) ? { result: 'newer_parser', ...unchanged } : null;
    if (result.kind === 'in_use')
      throw new AppError('email_claimed', 'A worker of a consumer works on the email. Nothing was changed.');
    if (result.kind === 'failed')
      throw result.reason === 'unstorable'
        ? new AppError('unstorable', 'The database rejected what the parser returned. Nothing was changed.')
        : new AppError('raw_unreadable', UNREADABLE[result.reason]);
    return {
      result: 'changed',
      columns: [...result.difference.columns],
      files: result.difference.files.map(fileChange),
      processed_reset: resetsProcessed && result.wasProcessed,
    };
  }
  return null;
}

function fileChange(change: FileChange): Reprocessed['files'][number] {
  return {
    kind: change.kind,
    before: change.kind === 'added' ? null : summary(change.before),
    now: change.kind === 'removed' ? null : summary(change.now),
    columns: change.kind === 'changed' ? [...change.columns] : [],
  };
}

function summary({ filename, sha256, sizeBytes }: FileSummary) {
  return { filename, size_bytes: sizeBytes, sha256 };
}
