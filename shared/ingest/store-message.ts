/** Stores one message with its exact bytes and parsed values. Never fails because of the content of the message. */
import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { Claim } from '../db/claims.ts';
import { type EmailToStore, type StorableEmail, storeEmail } from '../db/emails.ts';
import { AppError } from '../errors.ts';
import type { RawMessage } from '../gmail/gmail-client.ts';
import { parseOffThread } from '../mime/parse-off-thread.ts';
import { EMPTY_EMAIL, PARSER_VERSION, type ParsedEmail } from '../mime/parsed-email.ts';
import type { RunContext } from './ingest-context.ts';

const compress = promisify(gzip);
/**
 * An email is mostly base64 of compressed files, where a level above 1 costs much and saves little. The largest memory level
 * is the fastest. Most emails fit into one chunk, which saves a round trip to the thread pool.
 */
const COMPRESSION = { level: 1, memLevel: 9, chunkSize: 65_536 };

/**
 * @returns the time of storage by the database's clock; null when the message was already stored
 * @throws {AppError} lease_lost, database_unavailable, unstorable
 */
export async function storeMessage(run: RunContext, claim: Claim, message: RawMessage): Promise<Date | null> {
  const email = await parseOffThread(message.raw);
  const toStore: EmailToStore = {
    gmailMessageId: claim.gmailMessageId,
    gmailThreadId: message.threadId,
    labelIds: message.labelIds,
    receivedAt: message.internalDate ?? new Date(),
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
  const isPublished = run.config.emailsTopic !== null;
  try {
    return await storeEmail(run.db, run.lease, toStore, isPublished);
  } catch (error) {
    if (!(error instanceof AppError && error.code === 'unstorable')) throw error;
    // The raw bytes matter most. Store them without the parsed values; `reprocess` can parse them again.
    return await storeEmail(run.db, run.lease, { ...toStore, email: unparsed() }, isPublished);
  }
}

function logDefects(run: RunContext, claim: Claim, email: ParsedEmail): void {
  if (email.defects.length === 0) return;
  run.log.debug('message_defects', 'Stored with defects', {
    gmail_message_id: claim.gmailMessageId,
    defects: email.defects.join(' '),
  });
}

function unparsed(): StorableEmail {
  return { ...EMPTY_EMAIL, defects: ['not_storable_as_read'] };
}
