/** The name of the secret of an added mailbox. It stays when the account gets a new address, so the database knows it best. */
import { type Environment, readConfig } from '../../shared/config.ts';
import { openDatabase } from '../../shared/db/database.ts';
import { findMailboxSettings } from '../../shared/db/mailbox-settings.ts';
import { secretNameOf } from '../../shared/mailbox-access.ts';
import { shellWord } from '../../shared/operator-commands.ts';

export interface NamedSecret {
  readonly secretName: string;
  /** Null: no database is configured here, so it is not known. */
  readonly isAdded: boolean | null;
}

/**
 * Asks the database when DATABASE_URL is set; otherwise the name is derived from the address, as `mailbox add` does.
 *
 * @throws {Error} for a mailbox that needs no consent
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
    return { secretName: settings?.secretName ?? derived, isAdded: settings !== null };
  } finally {
    await db.close();
  }
}
