// Google's Gmail client, connected to an emulated mailbox.

import { OAuth2Client } from 'google-auth-library';
import { type gmail_v1, gmail as gmailClient } from 'googleapis/build/src/apis/gmail/index.js';
import {
  type EmulatedGmailOptions,
  emulatedCredentials,
  type RunningGmail,
} from '../../../emulators/gmail/emulated-gmail.ts';
import { type MailboxUnderTest, mailboxUnderTest } from './mailbox-under-test.ts';

/** A mailbox under test with Google's client. */
export async function mailboxWithClient(
  options: EmulatedGmailOptions = {},
): Promise<MailboxUnderTest & { client: gmail_v1.Gmail }> {
  const under = await mailboxUnderTest(options);
  return { ...under, client: realClient(under.server) };
}

/** Google's client for the endpoints of the emulator, without retries. */
export function realClient(
  server: RunningGmail,
  refreshToken: string = emulatedCredentials.refreshToken,
): gmail_v1.Gmail {
  const auth = new OAuth2Client({
    clientId: emulatedCredentials.clientId,
    clientSecret: emulatedCredentials.clientSecret,
    endpoints: { oauth2TokenUrl: server.tokenUrl },
  });
  auth.setCredentials({ refresh_token: refreshToken });
  return gmailClient({ version: 'v1', auth, rootUrl: server.rootUrl, retry: false });
}
