// Shared fixture: an emulated mailbox with a manual clock, called with fetch. Google's client, which is slow to load,
// is in google-client.ts.

import { onTestFinished } from 'vitest';
import {
  EmulatedGmail,
  type EmulatedGmailOptions,
  emulatedCredentials,
  type RunningGmail,
  startEmulatedGmail,
} from '../../../emulators/gmail/emulated-gmail.ts';
import { seededRandom } from '../../../emulators/seeded-random.ts';
import { ManualTime } from './manual-time.ts';

export interface MailboxUnderTest {
  gmail: EmulatedGmail;
  server: RunningGmail;
  time: ManualTime;
  /** A valid bearer token, for calls without Google's client. */
  token: string;
  /** Calls a path relative to `users/me/` with fetch; GET by default. */
  call(path: string, init?: RequestInit): Promise<Response>;
}

/** Starts an emulator, by default without quota. It stops when the test finishes. */
export async function mailboxUnderTest(options: EmulatedGmailOptions = {}): Promise<MailboxUnderTest> {
  const time = new ManualTime();
  const gmail = new EmulatedGmail({
    clock: time.now,
    timers: time,
    random: seededRandom(7),
    quotaUnitsPerMinute: null,
    ...options,
  });
  const server = await startEmulatedGmail(gmail);
  onTestFinished(() => server.close());
  const granted = await requestToken(server, {
    grant_type: 'refresh_token',
    refresh_token: options.refreshToken ?? emulatedCredentials.refreshToken,
  });
  const { access_token: token } = (await granted.json()) as { access_token: string };
  gmail.resetCounters();
  return {
    gmail,
    server,
    time,
    token,
    call: (path, init = {}) =>
      fetch(`${server.rootUrl}gmail/v1/users/me/${path}`, {
        ...init,
        headers: { authorization: `Bearer ${token}`, ...init.headers },
      }),
  };
}

export function requestToken(server: RunningGmail, form: Record<string, string>): Promise<Response> {
  const client = {
    client_id: emulatedCredentials.clientId,
    client_secret: emulatedCredentials.clientSecret,
  };
  return fetch(server.tokenUrl, { method: 'POST', body: new URLSearchParams({ ...client, ...form }) });
}

/** A small message, with optional extra headers. */
export function mail(subject: string, options: { headers?: string[]; body?: string } = {}): Buffer {
  return Buffer.from(
    [
      'From: Amy Buyer <amy@example.com>',
      'To: orders@example.com',
      `Subject: ${subject}`,
      `Message-ID: <${subject.replace(/\W+/g, '-')}@example.com>`,
      ...(options.headers ?? []),
      '',
      options.body ?? 'Please send ten boxes.',
      '',
    ].join('\r\n'),
  );
}
