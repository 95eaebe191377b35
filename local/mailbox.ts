/**
 * The emulated mailbox of the local stack: the .eml files of a folder, or synthetic purchase orders, which keep arriving.
 * A second account is empty, and has credentials with which it can be added. Both keep their messages, ids and history
 * across restarts.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import {
  type EmulatedGmail,
  emulatedCredentials,
  ManyAccounts,
  startEmulatedGmail,
} from '../emulators/gmail/emulated-gmail.ts';
import { fileJournal } from '../emulators/gmail/journal.ts';
import { fillFromFolder } from '../emulators/gmail/mailbox-folder.ts';
import { nextPurchaseOrder, samplePurchaseOrders } from '../emulators/samples/samples.ts';
import type { Environment } from '../shared/config.ts';
import { secretNameOf, secretPath } from '../shared/mailbox-access.ts';

/** Orders arrive quickly at first, then slowly, so that a stack that is left running does not fill the disk. */
const QUICK_ARRIVAL_COUNT = 60;
const QUICK_MS = 8_000;
const SLOW_MS = 120_000;
/** `npm run mailbox -- add` adds it. */
const SECOND_NAME = 'buyer';
export const SECOND_ADDRESS = `${SECOND_NAME}@example.com`;

export interface LocalMailbox {
  readonly gmail: EmulatedGmail;
  readonly env: Environment;
  readonly emailAddress: string;
  /** For the terminal: the number of files in the folder; empty without a folder. */
  readonly note: string;
  /** Starts the arrival of synthetic orders; does nothing for a folder. `onArrival` gets the title of each. */
  beginArrivals(onArrival: (title: string) => void): void;
  stop(): Promise<void>;
}

export async function startMailbox(options: {
  readonly folder: string | null;
  readonly dataFolder: string;
  readonly port: number;
  /** The address that receives push notifications, as from Pub/Sub. */
  readonly pushUrl: string;
}): Promise<LocalMailbox> {
  const name = options.folder === null ? 'orders' : folderName(options.folder);
  const emailAddress = `${name}@example.com`;
  // Each mailbox has its own credentials, as at Google: they identify the mailbox.
  const tokenOf = (one: string) => `${emulatedCredentials.refreshToken}-${one}`;
  const [refreshToken, second] = [tokenOf(name), tokenOf(SECOND_NAME)];
  const journalOf = (one: string) => fileJournal(join(options.dataFolder, `${one}.jsonl`));
  const [journal, secondJournal] = [journalOf(name), journalOf(SECOND_NAME)];
  const accounts = new ManyAccounts();
  const gmail = accounts.add({ emailAddress, refreshToken, journal });
  accounts.add({ emailAddress: SECOND_ADDRESS, refreshToken: second, journal: secondJournal });
  const note = await fill(gmail, options.folder);
  for (const one of accounts.all) one.notifications.url = options.pushUrl;
  const server = await startEmulatedGmail(accounts, { port: options.port });
  let timer: NodeJS.Timeout | undefined;
  return {
    gmail,
    env: {
      GMAIL_CLIENT_ID: emulatedCredentials.clientId,
      GMAIL_CLIENT_SECRET: emulatedCredentials.clientSecret,
      GMAIL_REFRESH_TOKEN: refreshToken,
      GMAIL_API_ROOT_URL: server.rootUrl,
      GOOGLE_OAUTH_TOKEN_URL: server.tokenUrl,
      GMAIL_PUBSUB_TOPIC: 'projects/email-monitor-local/topics/gmail',
      GMAIL_MAILBOX_SECRETS: writeSecret(options.dataFolder, second),
    },
    emailAddress,
    note,
    beginArrivals: (onArrival) => {
      if (options.folder !== null) return;
      const arrive = async (count: number) => {
        const { raw, title } = await nextPurchaseOrder(gmail.mailbox.messages.size, new Date());
        gmail.deliver(raw);
        onArrival(title);
        timer = setTimeout(() => void arrive(count + 1), count < QUICK_ARRIVAL_COUNT ? QUICK_MS : SLOW_MS);
      };
      timer = setTimeout(() => void arrive(1), QUICK_MS);
    },
    stop: async () => {
      clearTimeout(timer);
      await server.close();
      journal.close();
      secondJournal.close();
    },
  };
}

/** Writes the credentials of the second account. @returns the folder */
function writeSecret(dataFolder: string, refreshToken: string): string {
  const folder = resolve(dataFolder, 'secrets');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { clientId, clientSecret } = emulatedCredentials;
  const secret = { client_id: clientId, client_secret: clientSecret, refresh_token: refreshToken };
  writeFileSync(secretPath(folder, secretNameOf(SECOND_ADDRESS)), JSON.stringify(secret), { mode: 0o600 });
  return folder;
}

async function fill(gmail: EmulatedGmail, folder: string | null): Promise<string> {
  if (folder !== null) {
    const filled = await fillFromFolder(gmail.mailbox, folder, { nowMs: Date.now() });
    return `\n              ${folderNote(folder, filled.deliveredCount + filled.knownCount, filled.skippedCount)}`;
  }
  if (gmail.mailbox.messages.size === 0) {
    for (const { raw } of await samplePurchaseOrders(new Date())) gmail.deliver(raw);
  }
  return '';
}

/** `1 email from DIR; 2 other files skipped` */
export function folderNote(folder: string, emailCount: number, skippedCount: number): string {
  const emails = `${emailCount} ${emailCount === 1 ? 'email' : 'emails'} from ${folder}`;
  if (skippedCount === 0) return emails;
  return `${emails}; ${skippedCount} other ${skippedCount === 1 ? 'file' : 'files'} skipped`;
}

/** `corpus-1f3a9c`: readable, and different for folders with the same name. */
function folderName(folder: string): string {
  const path = resolve(folder);
  const readable =
    basename(path)
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, '-') || 'folder';
  return `${readable}-${createHash('sha256').update(path).digest('hex').slice(0, 6)}`;
}
