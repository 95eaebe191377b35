/** How the functions reach one mailbox: by a refresh token, or by the domain-wide delegation of a service account. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { credentialFingerprint, type GmailCredentials } from './credentials.ts';

export type MailboxAccess =
  | { readonly kind: 'refresh_token'; readonly credentials: GmailCredentials }
  | {
      readonly kind: 'delegation';
      /** The service account that signs. */
      readonly serviceAccount: string;
      /** The address of the mailbox. */
      readonly subject: string;
    };

/** Identifies the access in the database. @returns SHA-256 in hex, which reveals no secret */
export function accessFingerprint(access: MailboxAccess): string {
  if (access.kind === 'refresh_token') return credentialFingerprint(access.credentials);
  return createHash('sha256').update(`delegation\n${access.serviceAccount}\n${access.subject}`).digest('hex');
}

/** Secret Manager allows 255 characters, with the prefix. */
const READABLE_LENGTH = 40;
const HASH_LENGTH = 12;

/** Names the secret of a mailbox: readable, unique per address, and valid in Secret Manager and as a file name. */
export function secretNameOf(emailAddress: string): string {
  const readable = emailAddress
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, READABLE_LENGTH);
  const hash = createHash('sha256').update(emailAddress.toLowerCase()).digest('hex').slice(0, HASH_LENGTH);
  return `${readable}-${hash}`;
}

/**
 * Where the credentials of an added mailbox are.
 *
 * @param store `projects/P/secrets/PREFIX`, or an absolute folder
 * @returns `projects/P/secrets/PREFIX-NAME`, or the path of a file
 */
export function secretPath(store: string, secretName: string): string {
  return store.startsWith('/') ? join(store, `${secretName}.json`) : `${store}-${secretName}`;
}
