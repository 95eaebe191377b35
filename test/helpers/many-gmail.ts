/** Starts `many-gmail-process.ts`: an emulated Gmail with many accounts in its own process, and its control API. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { EmulatedGmailOptions } from '../../emulators/gmail/emulated-gmail.ts';
import { emulatedCredentials, refreshTokenOf } from '../../emulators/gmail/emulated-gmail.ts';
import type { GmailProcess } from './child-processes.ts';

export interface ManyGmailOptions extends Pick<EmulatedGmailOptions, 'latencyMs' | 'quotaUnitsPerMinute'> {
  readonly accounts: number;
  /** Emails that each account has from the start, by its number; `all` for the others. */
  readonly delivered?: Readonly<Record<string, number>>;
  readonly mailBytes?: number;
  /** Where the pushes of all accounts go; null or absent: they are lost. */
  readonly pushUrl?: string | null;
  readonly seed?: number;
  /** historyId of every empty mailbox. Default: from the time. */
  readonly historyId?: string;
}

/** What all accounts used since the start. */
export interface GmailTotals {
  readonly units: number;
  /** By method. */
  readonly calls: Readonly<Record<string, number>>;
}

export interface ManyGmail {
  readonly pid: number;
  /** Environment variables with which a function connects to this emulator, with the credentials of the first account. */
  readonly env: Record<string, string>;
  /** Calls the control API for the account with this current address. */
  control<Answer = unknown>(address: string, path: string, body?: unknown): Promise<Answer>;
  totals(): Promise<GmailTotals>;
  kill(): Promise<void>;
}

/** The first address of the account with this number, from 0. */
export function addressOf(number: number): string {
  return number === 0 ? 'inbox@example.com' : `orders-${number}@example.com`;
}

/** What the secret of an account's mailbox holds. */
export function secretOf(number: number, refreshToken = refreshTokenOf(number)): string {
  const { clientId, clientSecret } = emulatedCredentials;
  return JSON.stringify({ client_id: clientId, client_secret: clientSecret, refresh_token: refreshToken });
}

export async function startManyGmail(options: ManyGmailOptions): Promise<ManyGmail> {
  const child = spawn(
    process.execPath,
    [
      '--max-old-space-size=8192',
      join(import.meta.dirname, 'many-gmail-process.ts'),
      JSON.stringify(options),
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => JSON.parse((await lines.next()).value ?? 'null');
  const { rootUrl, tokenUrl, controlUrl } = await next();
  return {
    pid: child.pid ?? 0,
    env: {
      GMAIL_CLIENT_ID: emulatedCredentials.clientId,
      GMAIL_CLIENT_SECRET: emulatedCredentials.clientSecret,
      GMAIL_REFRESH_TOKEN: emulatedCredentials.refreshToken,
      GMAIL_API_ROOT_URL: rootUrl,
      GOOGLE_OAUTH_TOKEN_URL: tokenUrl,
    },
    control: async <Answer>(address: string, path: string, body?: unknown) => {
      const response = await fetch(`${controlUrl}${path}?account=${encodeURIComponent(address)}`, {
        ...(body === undefined
          ? {}
          : { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
      });
      if (!response.ok) throw new Error(`control ${path}: ${response.status} ${await response.text()}`);
      const text = await response.text();
      return (text === '' ? null : JSON.parse(text)) as Answer;
    },
    totals: async () => {
      child.kill('SIGUSR2');
      return (await next()) as GmailTotals;
    },
    kill: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
    },
  };
}

/** The emulator seen as one account, for code that knows a single one. */
export function accountOf(gmail: ManyGmail, address: () => string): GmailProcess {
  return {
    rootUrl: gmail.env['GMAIL_API_ROOT_URL'] ?? '',
    tokenUrl: gmail.env['GOOGLE_OAUTH_TOKEN_URL'] ?? '',
    env: gmail.env,
    control: async (path, body) => await gmail.control(address(), path, body),
    kill: gmail.kill,
  };
}
