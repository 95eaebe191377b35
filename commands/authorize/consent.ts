/**
 * The one-time consent of a person to read their mailbox: the URL, the answer that the browser brings, the exchange
 * of its code for a refresh token, and one call that shows which mailbox it opens. Called by `npm run authorize`.
 *
 * https://developers.google.com/identity/protocols/oauth2/native-app
 */
import { randomBytes } from 'node:crypto';
import type { Readable } from 'node:stream';
import { CodeChallengeMethod, gaxios, OAuth2Client } from 'google-auth-library';
import { Deadline } from '../../shared/deadline.ts';
import { AppError } from '../../shared/errors.ts';
import { createGmailClient } from '../../shared/gmail/gmail-client.ts';
import type { DesktopClient } from './desktop-client.ts';
import { awaitRedirect } from './loopback.ts';
import { listenForPaste } from './pasted-redirect.ts';

/** Reading is all that is needed; a restricted scope all the same. */
const SCOPE = 'https://www.googleapis.com/auth/gmail.readonly';
const CALL_TIMEOUT_MS = 30_000;
const AGAIN = 'Run `npm run authorize` again';

export interface GoogleEndpoints {
  /** Each null means Google's. */
  readonly authUrl: string | null;
  readonly tokenUrl: string | null;
  /** Ends in a slash. */
  readonly gmailApiRootUrl: string | null;
}

export interface Consent {
  readonly refreshToken: string;
  /** The mailbox that it opens. */
  readonly emailAddress: string;
  /** Google says so while the consent screen is in "Testing"; null when it says nothing. */
  readonly expiresInSeconds: number | null;
}

export interface ConsentOptions {
  readonly client: DesktopClient;
  readonly endpoints: GoogleEndpoints;
  readonly timeoutMs: number;
  /** Where the browser is awaited; 0: any that is free. */
  readonly port?: number;
  /** Where a person may paste the address that the browser ended at. */
  readonly pastes?: { readonly input: Readable; readonly onUseless: () => void };
  /** Shows the URL to a person. */
  readonly onUrl: (url: string, redirectUri: string) => void | Promise<void>;
}

/** @throws {Error} a sentence with the remediation; {AppError} when Gmail does not take the new token */
export async function askForConsent(options: ConsentOptions): Promise<Consent> {
  const { client, endpoints } = options;
  const oauth = new OAuth2Client({
    ...client,
    transporterOptions: { timeout: CALL_TIMEOUT_MS },
    endpoints: {
      ...(endpoints.authUrl === null ? {} : { oauth2AuthBaseUrl: endpoints.authUrl }),
      ...(endpoints.tokenUrl === null ? {} : { oauth2TokenUrl: endpoints.tokenUrl }),
    },
  });
  const { codeVerifier, codeChallenge } = await oauth.generateCodeVerifierAsync();
  const state = randomBytes(24).toString('base64url');
  const { pastes } = options;
  return await awaitRedirect({
    timeoutMs: options.timeoutMs,
    port: options.port ?? 0,
    ...(pastes && { otherWay: (take) => listenForPaste(pastes.input, take, pastes.onUseless) }),
    onListening: async (redirectUri) => {
      const url = oauth.generateAuthUrl({
        scope: SCOPE,
        redirect_uri: redirectUri,
        state,
        access_type: 'offline',
        // Without it Google gives no refresh token to whoever has agreed before.
        prompt: 'consent',
        code_challenge_method: CodeChallengeMethod.S256,
        code_challenge: codeChallenge ?? '',
      });
      await options.onUrl(url, redirectUri);
    },
    finish: async (answer, redirectUri) => {
      const code = codeOf(answer, state);
      const tokens = await exchange(oauth, { code, codeVerifier, redirect_uri: redirectUri });
      return {
        refreshToken: tokens.refreshToken,
        emailAddress: await mailboxOf(client, endpoints, tokens.refreshToken),
        expiresInSeconds: tokens.expiresInSeconds,
      };
    },
    page: ({ emailAddress }) => ({
      title: 'Authorized',
      text: `The mailbox ${emailAddress} can be read now. You may close this page; the rest stands in the terminal.`,
    }),
  });
}

function codeOf(answer: URLSearchParams, state: string): string {
  if (answer.get('state') !== state) {
    throw new Error(
      'The answer carries a wrong `state`: it does not belong to this run, and nothing was taken from it. ' +
        `${AGAIN} and open the URL of that run, not an older one.`,
    );
  }
  const error = answer.get('error');
  if (error === 'access_denied') {
    throw new Error(
      `The consent was denied. ${AGAIN} and agree, with the account whose mail is to be read. While the consent ` +
        'screen is in "Testing", that account must be among its test users.',
    );
  }
  if (error === 'admin_policy_enforced') {
    throw new Error(
      `The administrator of the Workspace does not let this app read mail (${error}). Let the client id be trusted in ` +
        `the Admin console, under Security > API controls. Then: ${AGAIN.toLowerCase()}.`,
    );
  }
  if (error !== null) throw new Error(`Google refused the consent (${word(error)}). ${AGAIN}.`);
  const code = answer.get('code');
  if (!code) throw new Error(`The answer holds no code. ${AGAIN}.`);
  return code;
}

async function exchange(
  oauth: OAuth2Client,
  request: { readonly code: string; readonly codeVerifier: string; readonly redirect_uri: string },
): Promise<{ readonly refreshToken: string; readonly expiresInSeconds: number | null }> {
  const { tokens } = await oauth.getToken(request).catch((error: unknown) => {
    throw new Error(exchangeSentence(error), { cause: error });
  });
  if (!tokens.scope?.split(' ').includes(SCOPE)) {
    throw new Error(
      `The consent does not cover reading mail (${SCOPE.split('/').at(-1)}). ${AGAIN} and tick the box for Gmail.`,
    );
  }
  if (!tokens.refresh_token) {
    throw new Error(
      'Google gave no refresh token. Take the access of this app away at ' +
        `https://myaccount.google.com/connections, then: ${AGAIN.toLowerCase()}.`,
    );
  }
  const life = (tokens as { refresh_token_expires_in?: unknown }).refresh_token_expires_in;
  return {
    refreshToken: tokens.refresh_token,
    expiresInSeconds: typeof life === 'number' && life > 0 ? life : null,
  };
}

/** https://datatracker.ietf.org/doc/html/rfc6749#section-5.2 */
function exchangeSentence(error: unknown): string {
  const response = error instanceof gaxios.GaxiosError ? error.response : undefined;
  const reason = word((response?.data as { error?: unknown } | undefined)?.error);
  if (reason === 'invalid_client' || reason === 'unauthorized_client') {
    return `Google refused the OAuth client (${reason}). Compare the client id and secret with the Cloud console.`;
  }
  if (reason === 'deleted_client') {
    return (
      'The OAuth client was deleted (deleted_client). Make one of the type "Desktop app" in the Cloud console, under ' +
      'APIs & Services > Credentials, and name its file by --client-secret.'
    );
  }
  if (reason === 'invalid_grant') {
    return `Google refused the code (invalid_grant): it is good for one use and ten minutes. ${AGAIN}.`;
  }
  return response === undefined
    ? `Google's token endpoint does not answer. Check the network, then: ${AGAIN.toLowerCase()}.`
    : `Google's token endpoint answered ${response.status} ${reason}. ${AGAIN}.`;
}

/** Refreshes once and asks once: what works here works in the deployed functions. */
async function mailboxOf(
  client: DesktopClient,
  endpoints: GoogleEndpoints,
  refreshToken: string,
): Promise<string> {
  const gmail = createGmailClient({
    credentials: { ...client, refreshToken },
    rootUrl: endpoints.gmailApiRootUrl,
    tokenUrl: endpoints.tokenUrl,
  });
  const deadline = Deadline.after(CALL_TIMEOUT_MS);
  // No mailbox row to take the one unit from: it may be another mailbox than before.
  const profile = await gmail
    .getProfile({ deadline, acquireUnits: async () => undefined })
    .catch((error: unknown) => {
      if (!(error instanceof AppError)) throw error;
      throw new Error(`${error.title} (${error.message.replace(/\.$/, '')}). ${error.remediation}`, {
        cause: error,
      });
    });
  return profile.emailAddress;
}

/** Words of an answer are shown only when they look like one. */
function word(value: unknown): string {
  return typeof value === 'string' && /^[a-z_]{1,60}$/.test(value) ? value : 'no reason given';
}
