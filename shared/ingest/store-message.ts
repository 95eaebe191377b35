/**
 * Stores one message with its exact bytes and parsed values. Never fails because of the content of the message. With a bucket, large
 * bytes are uploaded before the commit that refers to them.
 */
import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { largeObjectsOf } from '../bucket/large-objects.ts';
import type { Claim } from '../db/claims.ts';
import { type EmailToStore, type StorableEmail, storeEmail } from '../db/emails.ts';
import { AppError } from '../errors.ts';
import type { RawMessage } from '../gmail/gmail-client.ts';
import { parseOffThread } from '../mime/parse-off-thread.ts';
import { EMPTY_EMAIL, PARSER_VERSION, type ParsedEmail } from '../mime/parsed-email.ts';
import type { RunContext } from './run-context.ts';

const compress = promisify(gzip);
/**
 * An email is mostly base64 of compressed files, where a level above 1 costs much and saves little. The largest memory level
 * is the fastest. Most emails fit into one chunk, which saves a round trip to the thread pool.
 */
const COMPRESSION = { level: 1, memLevel: 9, chunkSize: 65_536 };

/**
 * @returns the time of storage by the database's clock; null when the message was already stored
 * @throws {AppError} lease_lost, database_unavailable, unstorable, out_of_time, bucket_unavailable, bucket_denied
 */
export async function storeMessage(run: RunContext, claim: Claim, message: RawMessage): Promise<Date | null> {
  const email = await parseOffThread(message.raw);
  const parsed: EmailToStore = {
    gmailMessageId: claim.gmailMessageId,
    gmailThreadId: message.threadId,
    labelIds: message.labelIds,
    // By the database's clock: that of the instance may be wrong.
    receivedAt: message.internalDate ?? claim.discoveredAt,
    email,
    parserVersion: PARSER_VERSION,
    raw: {
      encoding: 'gzip',
      data: await compress(message.raw, COMPRESSION),
      sizeBytes: message.raw.length,
      sha256: createHash('sha256').update(message.raw).digest('hex'),
    },
  };
  logDefects(run, claim, email);
  const toStore = await withObjects(run, parsed);
  const isPublished = run.config.emailsTopic !== null;
  try {
    return await storeEmail(run.db, run.lease, toStore, isPublished);
  } catch (error) {
    if (!(error instanceof AppError && error.code === 'unstorable')) throw error;
    // The raw bytes matter most. Store them without the parsed values; `reprocess` can parse them again.
    return await storeEmail(run.db, run.lease, withoutParsed(toStore), isPublished);
  }
}

/** An email without large bytes is stored as without a bucket. */
async function withObjects(
  { db, deadline, largeBytes }: RunContext,
  parsed: EmailToStore,
): Promise<EmailToStore> {
  if (largeBytes === null) return parsed;
  const large = largeObjectsOf(largeBytes, parsed.email.attachments, parsed.raw);
  return large.length === 0 ? parsed : { ...parsed, objects: await largeBytes.keep(db, large, deadline) };
}

function logDefects(run: RunContext, claim: Claim, email: ParsedEmail): void {
  if (email.defects.length === 0) return;
  run.log.debug('message_defects', 'Stored with defects', {
    gmail_message_id: claim.gmailMessageId,
    defects: email.defects.join(' '),
  });
}

/** Its rows refer to no file, so the announcements stay: with them the collection finds the files that were uploaded. */
function withoutParsed({ objects, ...stored }: EmailToStore): EmailToStore {
  const email: StorableEmail = { ...EMPTY_EMAIL, defects: ['not_storable_as_read'] };
  return { ...stored, email, ...(objects && { objects: { ...objects, reservationIds: [] } }) };
}
