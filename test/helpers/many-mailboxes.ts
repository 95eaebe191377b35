/** Adds mailboxes to a test system with many accounts: each has an account, a secret in a folder, and its settings. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import {
  type EmulatedGmail,
  emulatedCredentials,
  refreshTokenOf,
} from '../../emulators/gmail/emulated-gmail.ts';
import { secretNameOf } from '../../shared/mailbox-access.ts';
import { addMailbox } from '../../shared/mailboxes/mailbox-changes.ts';
import type { MailboxSettings } from '../../shared/mailboxes/mailbox-settings.ts';
import type { TestSystem, TestSystemOptions } from './test-system.ts';
import { useTestSystems } from './use-test-systems.ts';

export interface AddedAccount {
  readonly gmail: EmulatedGmail;
  readonly settings: MailboxSettings;
}

export interface ManyMailboxes extends TestSystem {
  /** Adds an account, its secret and its mailbox. */
  add(
    address: string,
    more?: { readonly label?: string; readonly initialQuery?: string },
  ): Promise<AddedAccount>;
  /** Stores the secret of a mailbox, with the token of an account. */
  writeSecret(address: string, refreshToken: string): void;
  deleteSecret(address: string): void;
  pause(address: string, isPaused?: boolean): Promise<void>;
  /** The `outcome` of each run of the mailbox with this address, oldest first. */
  runsOf(address: string): Promise<(string | null)[]>;
  /** Subjects of the stored emails of the mailbox. */
  storedOf(address: string): Promise<string[]>;
}

/** Call once per test file. @returns a function that creates a system */
export function useManyMailboxes(): (options?: TestSystemOptions) => Promise<ManyMailboxes> {
  const create = useTestSystems();
  const folders: string[] = [];
  afterEach(() => {
    for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
  });
  return async (options = {}) => {
    const folder = mkdtempSync(join(tmpdir(), 'email-monitor-secrets-'));
    folders.push(folder);
    const env = { GMAIL_MAILBOX_SECRETS: folder, ...options.env };
    return extend(await create({ ...options, isMany: true, env }), folder);
  };
}

function extend(system: TestSystem, folder: string): ManyMailboxes {
  const { accounts, db, rows } = system;
  if (accounts === null) throw new Error('The system has one account only.');
  const pathOf = (address: string) => join(folder, `${secretNameOf(address)}.json`);
  const writeSecret = (address: string, refreshToken: string) => {
    const { clientId, clientSecret } = emulatedCredentials;
    const secret = { client_id: clientId, client_secret: clientSecret, refresh_token: refreshToken };
    writeFileSync(pathOf(address), JSON.stringify(secret));
  };
  return {
    ...system,
    pass: async (seconds) => {
      await system.pass(seconds);
      await rows(
        "update mailbox_settings set next_attempt_at = next_attempt_at - $1::integer * interval '1 second'",
        [seconds],
      );
    },
    writeSecret,
    deleteSecret: (address) => rmSync(pathOf(address)),
    add: async (address, { label = null, initialQuery = null } = {}) => {
      writeSecret(address, refreshTokenOf(accounts.all.length));
      const gmail = accounts.add({ emailAddress: address });
      const added = { emailAddress: address, access: 'refresh_token', label, initialQuery } as const;
      return { gmail, settings: await addMailbox(db, added) };
    },
    pause: async (address, isPaused = true) => {
      await rows('update mailbox_settings set is_paused = $2 where email_address = $1', [address, isPaused]);
    },
    runsOf: async (address) =>
      (
        await rows<{ outcome: string | null }>(
          `select r.outcome
           from ingest_runs r
           join mailboxes m on m.id = r.mailbox_id
           where m.email_address = $1
           order by r.id`,
          [address],
        )
      ).map(({ outcome }) => outcome),
    storedOf: async (address) =>
      (
        await rows<{ subject: string }>(
          `select e.subject
           from incoming_emails e
           join mailboxes m on m.id = e.mailbox_id
           where m.email_address = $1
           order by e.subject`,
          [address],
        )
      ).map(({ subject }) => subject),
  };
}
