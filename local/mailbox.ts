/**
 * The emulated mailbox of the local stack: the .eml files of a folder, or synthetic purchase orders of which a
 * new one arrives every few seconds. It keeps its mail, its ids and its history across restarts.
 */
import { createHash } from 'node:crypto';
import { basename, join, resolve } from 'node:path';
import { EmulatedGmail, emulatedCredentials, startEmulatedGmail } from '../emulators/gmail/emulated-gmail.ts';
import { fileJournal } from '../emulators/gmail/journal.ts';
import { fillFromFolder } from '../emulators/gmail/mailbox-folder.ts';
import { nextPurchaseOrder, samplePurchaseOrders } from '../emulators/samples/samples.ts';
import type { Environment } from '../shared/config.ts';

/** Quick while somebody watches, then slowly, so that a stack left running does not fill the disk. */
const QUICK_ARRIVALS = 60;
const QUICK_MS = 8_000;
const SLOW_MS = 120_000;

export interface LocalMailbox {
  readonly gmail: EmulatedGmail;
  readonly env: Environment;
  readonly emailAddress: string;
  /** For the person at the terminal: what the folder held; empty without one. */
  readonly note: string;
  /** Synthetic orders begin to arrive; does nothing for a folder. `onArrival` gets a line for a person. */
  beginArrivals(onArrival: (title: string) => void): void;
  stop(): Promise<void>;
}

export async function startMailbox(options: {
  readonly folder: string | null;
  readonly dataFolder: string;
  readonly port: number;
  /** Where notifications are pushed, as Pub/Sub does. */
  readonly pushUrl: string;
}): Promise<LocalMailbox> {
  const name = options.folder === null ? 'orders' : folderName(options.folder);
  const emailAddress = `${name}@example.com`;
  // Credentials of its own for each mailbox, as with Google: they tell the system which mailbox it is.
  const refreshToken = `${emulatedCredentials.refreshToken}-${name}`;
  const journal = fileJournal(join(options.dataFolder, `${name}.jsonl`));
  const gmail = new EmulatedGmail({ emailAddress, refreshToken, journal });
  const note = await fill(gmail, options.folder);
  gmail.notifications.url = options.pushUrl;
  const server = await startEmulatedGmail(gmail, { port: options.port });
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
    },
    emailAddress,
    note,
    beginArrivals: (onArrival) => {
      if (options.folder !== null) return;
      const arrive = async (count: number) => {
        const { raw, title } = await nextPurchaseOrder(gmail.mailbox.messages.size, new Date());
        gmail.deliver(raw);
        onArrival(title);
        timer = setTimeout(() => void arrive(count + 1), count < QUICK_ARRIVALS ? QUICK_MS : SLOW_MS);
      };
      timer = setTimeout(() => void arrive(1), QUICK_MS);
    },
    stop: async () => {
      clearTimeout(timer);
      await server.close();
      journal.close();
    },
  };
}

async function fill(gmail: EmulatedGmail, folder: string | null): Promise<string> {
  if (folder !== null) {
    const filled = await fillFromFolder(gmail.mailbox, folder, { nowMs: Date.now() });
    const mails = filled.deliveredCount + filled.knownCount;
    const skipped = filled.skippedCount === 0 ? '' : `; ${filled.skippedCount} other files left out`;
    return `\n              ${mails} mails of ${folder}${skipped}`;
  }
  if (gmail.mailbox.messages.size === 0) {
    for (const { raw } of await samplePurchaseOrders(new Date())) gmail.deliver(raw);
  }
  return '';
}

/** `corpus-1f3a9c`: readable, and different for folders of the same name. */
function folderName(folder: string): string {
  const path = resolve(folder);
  const readable =
    basename(path)
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, '-') || 'folder';
  return `${readable}-${createHash('sha256').update(path).digest('hex').slice(0, 6)}`;
}
