/** The mailbox that a command works on: that of the credentials, or the one that the database knows. */
import { findMailbox, listMailboxes, type Mailbox } from '../../shared/db/mailboxes.ts';
import type { IngestContext } from '../../shared/ingest/ingest-context.ts';

/** @param address the one asked for; undefined: the credentials say it, or there is only one */
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
    throw new Error('The database knows no mailbox yet: POST start, or POST poll-now once.');
  throw new Error(
    `${address === undefined ? 'Say which mailbox: --mailbox' : 'The database does not know that mailbox. It knows'} ` +
      `${known.map((one) => one.emailAddress).join(', ')}`,
  );
}
