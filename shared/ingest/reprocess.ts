/**
 * Reads stored emails again from their exact bytes, without Gmail: after a better reader (PARSER_VERSION), or to see
 * that the bytes are still what they were. Called by `npm run reprocess`. Each email is one transaction, so it may
 * end anywhere and begin again, beside ingest and beside itself.
 */
import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import type { Database } from '../db/database.ts';
import type { RawEmail } from '../db/emails.ts';
import { findToReread, hasEmail, readRawEmail } from '../db/raw-emails.ts';
import { type Replaced, replaceParsed } from '../db/replace-parsed.ts';
import { AppError } from '../errors.ts';
import { parseEmail } from '../mime/parse-email.ts';
import { PARSER_VERSION } from '../mime/parsed-email.ts';

const decompress = promisify(gunzip);

/** Ids read ahead, not emails: one email is in memory at a time. */
const BATCH = 200;

/** Why an email could not be read again. Its columns stand as they were. */
export type RereadFault = 'raw_missing' | 'checksum_wrong' | 'raw_damaged' | 'unstorable';

export interface Reread {
  readonly emailId: number;
  readonly result: Replaced | RereadFault;
}

export interface RereadChoice {
  /** `outdated`: read by a lower version of the reader. */
  readonly emails: 'outdated' | 'all';
  /** Begin behind this id; 0 for the beginning. */
  readonly afterId: number;
}

/**
 * One email after another, lowest id first; whoever iterates may stop at any time.
 *
 * @throws {AppError} database_unavailable
 */
export async function* reprocess(db: Database, choice: RereadChoice): AsyncGenerator<Reread> {
  const belowVersion = choice.emails === 'all' ? null : PARSER_VERSION;
  for (let { afterId } = choice; ; ) {
    const ids = await findToReread(db, { afterId, belowVersion, limit: BATCH });
    if (ids.length === 0) return;
    for (const emailId of ids) yield { emailId, result: await rereadEmail(db, emailId) };
    afterId = ids.at(-1) ?? afterId;
  }
}

/** @throws {AppError} not_found, database_unavailable */
export async function reprocessOne(db: Database, emailId: number): Promise<Reread> {
  if (!(await hasEmail(db, emailId))) throw new AppError('not_found', `There is no email ${emailId}.`);
  return { emailId, result: await rereadEmail(db, emailId) };
}

async function rereadEmail(db: Database, emailId: number): Promise<Replaced | RereadFault> {
  const stored = await readRawEmail(db, emailId);
  if (stored === null) return 'raw_missing';
  const raw = await unpack(stored);
  if (!(raw instanceof Uint8Array)) return raw;
  try {
    return await replaceParsed(db, emailId, await parseEmail(raw), PARSER_VERSION);
  } catch (error) {
    if (error instanceof AppError && error.code === 'unstorable') return 'unstorable';
    throw error;
  }
}

async function unpack(stored: RawEmail): Promise<Buffer | RereadFault> {
  let raw: Buffer;
  try {
    // Never more than was put in, whatever the bytes have become.
    raw = await decompress(stored.data, { maxOutputLength: Math.max(1, stored.sizeBytes) });
  } catch {
    return 'raw_damaged';
  }
  const sha256 = createHash('sha256').update(raw).digest('hex');
  return sha256 === stored.sha256 && raw.length === stored.sizeBytes ? raw : 'checksum_wrong';
}
