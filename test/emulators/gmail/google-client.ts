// Google's real Gmail client, pointed at an emulated mailbox.

import { OAuth2Client } from 'google-auth-library';
import { type gmail_v1, gmail as gmailClient } from 'googleapis/build/src/apis/gmail/index.js';
import {
  type EmulatedGmailOptions,
  emulatedCredentials,
  type RunningGmail,
} from '../../../emulators/gmail/emulated-gmail.ts';
import { type MailboxUnderTest, mailboxUnderTest } from './mailbox-under-test.ts';

/** A mailbox under test together with the client for it. */
export async function mailboxWithClient(
  options: EmulatedGmailOptions = {},
): Promise<MailboxUnderTest & { client: gmail_v1.Gmail }> {
  const under = await mailboxUnderTest(options);
  return { ...under, client: realClient(under.server) };
}

/** Google's client with the emulator's endpoints and one attempt a call. */
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
