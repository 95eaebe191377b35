/**
 * Parses stored emails again from their exact bytes, without Gmail: after a change of the parser (PARSER_VERSION), or to
 * verify the stored bytes. Called by `npm run reprocess`. Each email is one transaction, so a run may stop at any time and
 * restart, and it may run concurrently with ingest and with another run.
 */
import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import type { LargeBytes } from '../bucket/large-bytes.ts';
import type { Database } from '../db/database.ts';
import type { RawEmail, StorableEmail } from '../db/emails.ts';
import { AppError } from '../errors.ts';
import { parseOffThread } from '../mime/parse-off-thread.ts';
import { PARSER_VERSION } from '../mime/parsed-email.ts';
import { isInUse } from './claimed-emails.ts';
import { type Comparison, compareParsed, type Difference, isSame } from './parsed-difference.ts';
import { type EmailSelection, emailExists, findSelectedIds, readRawEmail } from './raw-emails.ts';
import { replaceParsed } from './replace-parsed.ts';

const decompress = promisify(gunzip);

/** Number of ids read ahead. Only one email is in memory at a time. */
const BATCH = 200;

/** Why an email could not be parsed again. Its columns are unchanged. */
export type ReprocessFailure =
  | 'raw_missing'
  | 'object_missing'
  | 'checksum_wrong'
  | 'raw_damaged'
  | 'unstorable';

export interface ReprocessedEmail {
  readonly emailId: number;
  readonly result:
    | { readonly kind: 'same' }
    | { readonly kind: 'changed'; readonly difference: Difference; readonly wasProcessed: boolean }
    /** The email is gone, or a newer parser wrote it: nothing was changed. */
    | { readonly kind: 'skipped' }
    /** A worker of a consumer has claimed it: nothing was changed. */
    | { readonly kind: 'in_use' }
    | { readonly kind: 'failed'; readonly reason: ReprocessFailure };
}

/** Whether the new result is only compared, or replaces the stored columns. */
export type ReprocessMode =
  | { readonly applies: false }
  | { readonly applies: true; readonly resetsProcessed: boolean };

export interface ReprocessContext {
  readonly db: Database;
  /** Null without ATTACHMENTS_BUCKET. */
  readonly largeBytes: LargeBytes | null;
}

/**
 * Yields one result per email, lowest id first. The caller may stop iterating at any time.
 *
 * @throws {AppError} database_unavailable, bucket_unavailable, bucket_denied, bucket_not_set
 */
export async function* reprocess(
  on: ReprocessContext,
  choice: EmailSelection,
  mode: ReprocessMode,
): AsyncGenerator<ReprocessedEmail> {
  for (let { afterId } = choice; ; ) {
    const ids = await findSelectedIds(on.db, { ...choice, afterId }, BATCH);
    if (ids.length === 0) return;
    for (const emailId of ids) yield { emailId, result: await reprocessEmail(on, emailId, mode) };
    afterId = ids.at(-1) ?? afterId;
  }
}

async function reprocessEmail(
  on: ReprocessContext,
  emailId: number,
  mode: ReprocessMode,
): Promise<ReprocessedEmail['result']> {
  const { db, largeBytes } = on;
  const stored = await readRawEmail(db, emailId, largeBytes?.bucket ?? null).catch(orMissing);
  if (stored === 'object_missing') return { kind: 'failed', reason: stored };
  if (stored === null)
    return (await emailExists(db, emailId)) ? { kind: 'failed', reason: 'raw_missing' } : { kind: 'skipped' };
  const raw = await unpack(stored);
  if (!(raw instanceof Uint8Array)) return { kind: 'failed', reason: raw };
  const email = await parseOffThread(raw);
  const parserVersion = PARSER_VERSION;
  try {
    const compared = mode.applies
      ? await replaceParsed(on, emailId, email, { parserVersion, resetsProcessed: mode.resetsProcessed })
      : await compareUnclaimed(db, emailId, email);
    if (compared === null) return { kind: 'skipped' };
    if (compared === 'in_use') return { kind: 'in_use' };
    const { difference, isProcessed: wasProcessed } = compared;
    return isSame(difference) ? { kind: 'same' } : { kind: 'changed', difference, wasProcessed };
  } catch (error) {
    if (error instanceof AppError && error.code === 'unstorable')
      return { kind: 'failed', reason: 'unstorable' };
    throw error;
  }
}

function orMissing(error: unknown): 'object_missing' {
  if (error instanceof AppError && error.code === 'bucket_object_missing') return 'object_missing';
  throw error;
}

async function compareUnclaimed(
  db: Database,
  emailId: number,
  email: StorableEmail,
): Promise<Comparison | 'in_use' | null> {
  if (await isInUse(db, emailId)) return 'in_use';
  return await compareParsed(db, emailId, email, { parserVersion: PARSER_VERSION, locks: false });
}

async function unpack(stored: RawEmail): Promise<Buffer | ReprocessFailure> {
  let raw: Buffer;
  try {
    // Damaged bytes must not expand beyond the original size.
    raw = await decompress(stored.data, { maxOutputLength: Math.max(1, stored.sizeBytes) });
  } catch {
    return 'raw_damaged';
  }
  const sha256 = createHash('sha256').update(raw).digest('hex');
  return sha256 === stored.sha256 && raw.length === stored.sizeBytes ? raw : 'checksum_wrong';
}
