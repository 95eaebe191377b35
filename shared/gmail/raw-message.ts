/** Decodes the `raw` field of a message. */
import { noAnswer } from './gmail-error.ts';

/**
 * @param encoded base64url or base64, padded or not
 * @returns the exact bytes of the message
 * @throws {AppError} gmail_unavailable when characters are missing or are not base64
 */
export function decodeRaw(encoded: string): Buffer {
  const raw = Buffer.from(encoded, 'base64url');
  // Node skips what is not base64; the decoded length is then too short. A single last digit is half a byte.
  const digits = encoded.length - (encoded.endsWith('==') ? 2 : encoded.endsWith('=') ? 1 : 0);
  if (digits % 4 === 1 || raw.length !== Math.floor((digits * 3) / 4)) {
    throw noAnswer('users.messages.get', 'the raw message is not base64url');
  }
  return raw;
}
