/** The name of the secret of an added mailbox. It stays when the account gets a new address, so the database knows it best. */
import { type Environment, readConfig } from '../../shared/config.ts';
import { type Database, openDatabase } from '../../shared/db/database.ts';
import { secretNameOf } from '../../shared/mailbox-access.ts';
import { findMailboxSettings } from '../../shared/mailboxes/mailbox-settings.ts';
import { shellWord } from '../../shared/operator-commands.ts';

export interface NamedSecret {
  readonly secretName: string;
  /** Null: no database is configured here, so it is not known. */
  readonly isAdded: boolean | null;
}

/**
 * Asks the database when DATABASE_URL is set; otherwise the name is derived from the address, as `mailbox add` does
 * unless another mailbox has the name.
 *
 * @throws {Error} for a mailbox that needs no consent, and when the secret of that name is another mailbox's
 */
export async function findSecretName(address: string, env: Environment): Promise<NamedSecret> {
  const derived = secretNameOf(address);
  if (!env['DATABASE_URL']?.trim()) return { secretName: derived, isAdded: null };
  const db = openDatabase({ target: readConfig(env).database, poolSize: 1 });
  try {
    const settings = await findMailboxSettings(db, address);
    if (settings?.access === 'delegation')
      throw new Error(
        `${address} is read by delegation and needs no consent. \`npm run doctor -- --mailbox ${shellWord(address)}\` checks it.`,
      );
    if (settings?.access === 'environment')
      throw new Error(
        `${address} is the first mailbox, whose credentials are variables: run the command without --mailbox.`,
      );
    if (settings === null && (await isTaken(db, derived)))
      throw new Error(
        `The secret of this name belongs to a mailbox that had the address before. Run \`npm run mailbox -- add ${shellWord(address)}\` first.`,
      );
    return { secretName: settings?.secretName ?? derived, isAdded: settings !== null };
  } finally {
    await db.close();
  }
}

async function isTaken(db: Database, secretName: string): Promise<boolean> {
  const { rowCount } = await db.query('select from mailbox_settings where secret_name = $1', [secretName]);
  return rowCount > 0;
}
