/** The mailbox that a command works on: that of the credentials, the one that `--mailbox` names, or the only one. */
import { findMailbox, listMailboxes, type Mailbox } from '../../shared/db/mailboxes.ts';
import type { IngestContext } from '../../shared/ingest/ingest-context.ts';
import { UsageError } from './flags.ts';

/** Addresses in an error. */
const MAX_SHOWN = 20;

/** The first addresses, for an error. */
export function addressList(addresses: readonly string[]): string {
  if (addresses.length === 0) return 'none';
  return addresses.slice(0, MAX_SHOWN).join(', ') + (addresses.length > MAX_SHOWN ? ', ...' : '');
}

/**
 * @param address of `--mailbox`; undefined: the mailbox of the credentials, or the only one
 * @throws {Error} when the database knows none, {UsageError} when the choice is not clear
 */
export async function chooseMailbox(app: IngestContext, address: string | undefined): Promise<Mailbox> {
  const { db, credentialFingerprint } = app;
  if (address === undefined && credentialFingerprint !== null) {
    const own = await findMailbox(db, credentialFingerprint);
    if (own !== null) return own;
  }
  const known = await listMailboxes(db);
  const chosen =
    address === undefined ? known : known.filter((one) => one.emailAddress === address.toLowerCase());
  if (chosen.length === 1 && chosen[0] !== undefined) return chosen[0];
  if (known.length === 0)
    throw new Error('The database has no mailbox yet. Call POST start, or POST poll-now, once.');
  const addresses = addressList(known.map((one) => one.emailAddress));
  throw new UsageError(
    address === undefined
      ? `--mailbox is missing: the database has several mailboxes. Choose one of: ${addresses}`
      : `--mailbox names ${address}, which no run has reached. The database has: ${addresses}`,
  );
}
