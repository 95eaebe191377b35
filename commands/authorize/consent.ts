/**
 * The OAuth flow of `npm run authorize`: the consent URL, the browser's redirect, and the exchange of its code for a
 * refresh token. One call then shows which mailbox the token belongs to.
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

/** The narrowest scope that allows reading whole messages. Google still classifies it as restricted. */
const SCOPE = 'https://www.googleapis.com/auth/gmail.readonly';
const CALL_TIMEOUT_MS = 30_000;
const RUN_AGAIN = 'Run `npm run authorize` again';

export interface GoogleEndpoints {
  /** Null: Google's, for each of the three. */
  readonly authUrl: string | null;
  readonly tokenUrl: string | null;
  /** Ends in a slash. */
  readonly gmailApiRootUrl: string | null;
}

export interface Consent {
  readonly refreshToken: string;
  /** Of the mailbox that the token belongs to. */
  readonly emailAddress: string;
  /** Google reports it while the consent screen is in "Testing"; null: not reported. */
  readonly expiresInSeconds: number | null;
}

export interface ConsentOptions {
  readonly client: DesktopClient;
  readonly endpoints: GoogleEndpoints;
  readonly timeoutMs: number;
  /** The local port that the browser returns to; 0: any free port. */
  readonly port?: number;
  /** The mailbox that the token must belong to, in lower case; null: any. */
  readonly expectedAddress?: string | null;
  /** Where the operator may paste the address that the browser ended at. */
  readonly pastes?: { readonly input: Readable; readonly onInvalid: () => void };
  /** Shows the URL to the operator. */
  readonly onUrl: (url: string, redirectUri: string) => void | Promise<void>;
}

/** @throws {Error} with the remediation in its message */
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
  const { expectedAddress = null, pastes } = options;
  return await awaitRedirect({
    timeoutMs: options.timeoutMs,
    port: options.port ?? 0,
    ...(pastes && {
      listenElsewhere: (accept) => listenForPaste(pastes.input, accept, pastes.onInvalid),
    }),
    onListening: async (redirectUri) => {
      const url = oauth.generateAuthUrl({
        scope: SCOPE,
        redirect_uri: redirectUri,
        state,
        access_type: 'offline',
        // Without it, Google returns no refresh token to an account that has agreed before.
        prompt: 'consent',
        code_challenge_method: CodeChallengeMethod.S256,
        code_challenge: codeChallenge ?? '',
        ...(expectedAddress === null ? {} : { login_hint: expectedAddress }),
      });
      await options.onUrl(url, redirectUri);
    },
    finish: async (redirect, redirectUri) => {
      const code = codeOf(redirect, state);
      const tokens = await exchange(oauth, { code, codeVerifier, redirect_uri: redirectUri });
      const emailAddress = await mailboxOf(client, endpoints, tokens.refreshToken);
      assertExpected(emailAddress, expectedAddress);
      return { ...tokens, emailAddress };
    },
    page: ({ emailAddress }) => ({
      title: 'Authorized',
      text: `Email Monitor can now read the mailbox ${emailAddress}. You can close this page and return to the terminal.`,
    }),
  });
}

/** The token is not revoked, because that would also end the access to the other account's own mailbox, if it was added. */
function assertExpected(consented: string, expected: string | null): void {
  if (expected === null || consented.toLowerCase() === expected) return;
  throw new Error(
    `The account ${consented} consented, not ${expected}. Nothing is stored. ${RUN_AGAIN}, and choose ${expected} on Google's ` +
      `page; a private window asks for the account. If both are the same account, add the mailbox as ${consented}.`,
  );
}

function codeOf(redirect: URLSearchParams, state: string): string {
  if (redirect.get('state') !== state) {
    throw new Error(
      'The redirect has a wrong `state`: it does not belong to this run and was ignored. ' +
        `${RUN_AGAIN} and open the URL of that run, not an older one.`,
    );
  }
  const error = redirect.get('error');
  if (error === 'access_denied') {
    throw new Error(
      `The consent was denied. ${RUN_AGAIN} and agree, with the account of the mailbox. While the consent ` +
        'screen is in "Testing", that account must be one of its test users.',
    );
  }
  if (error === 'admin_policy_enforced') {
    throw new Error(
      `The Workspace administrator does not allow this app to read email (${error}). Ask the administrator to trust the ` +
        `client id in the Admin console, under Security > API controls. ${RUN_AGAIN} afterwards.`,
    );
  }
  if (error !== null) throw new Error(`Google rejected the consent (${safeWord(error)}). ${RUN_AGAIN}.`);
  const code = redirect.get('code');
  if (!code) throw new Error(`The redirect contains no code. ${RUN_AGAIN}.`);
  return code;
}

async function exchange(
  oauth: OAuth2Client,
  request: { readonly code: string; readonly codeVerifier: string; readonly redirect_uri: string },
): Promise<{ readonly refreshToken: string; readonly expiresInSeconds: number | null }> {
  const { tokens } = await oauth.getToken(request).catch((error: unknown) => {
    throw new Error(exchangeErrorText(error), { cause: error });
  });
  if (!tokens.scope?.split(' ').includes(SCOPE)) {
    throw new Error(
      `The consent does not include reading email (${SCOPE.split('/').at(-1)}). ${RUN_AGAIN} and tick the box for Gmail.`,
    );
  }
  if (!tokens.refresh_token) {
    throw new Error(
      'Google returned no refresh token. Remove the access of this app at ' +
        `https://myaccount.google.com/connections. ${RUN_AGAIN} afterwards.`,
    );
  }
  const lifetime = (tokens as { refresh_token_expires_in?: unknown }).refresh_token_expires_in;
  return {
    refreshToken: tokens.refresh_token,
    expiresInSeconds: typeof lifetime === 'number' && lifetime > 0 ? lifetime : null,
  };
}

/** https://datatracker.ietf.org/doc/html/rfc6749#section-5.2 */
function exchangeErrorText(error: unknown): string {
  const response = error instanceof gaxios.GaxiosError ? error.response : undefined;
  const reason = safeWord((response?.data as { error?: unknown } | undefined)?.error);
  if (reason === 'invalid_client' || reason === 'unauthorized_client') {
    return `Google rejected the OAuth client (${reason}). Compare the client id and secret with the Cloud console.`;
  }
  if (reason === 'deleted_client') {
    return (
      'The OAuth client was deleted (deleted_client). Create one of the type "Desktop app" in the Cloud console, under ' +
      'APIs & Services > Credentials, and pass its file with --client-secret.'
    );
  }
  if (reason === 'invalid_grant') {
    return `Google rejected the code (invalid_grant): it is valid once and for ten minutes. ${RUN_AGAIN}.`;
  }
  return response === undefined
    ? `Google's token endpoint does not answer. Check the network. ${RUN_AGAIN} afterwards.`
    : `Google's token endpoint answered ${response.status} ${reason}. ${RUN_AGAIN}.`;
}

/** Uses the refresh token as the functions do, so a token that works here works in a deployment. */
async function mailboxOf(
  client: DesktopClient,
  endpoints: GoogleEndpoints,
  refreshToken: string,
): Promise<string> {
  const gmail = createGmailClient({
    access: { kind: 'refresh_token', credentials: { ...client, refreshToken } },
    rootUrl: endpoints.gmailApiRootUrl,
    tokenUrl: endpoints.tokenUrl,
  });
  const deadline = Deadline.after(CALL_TIMEOUT_MS);
  // The one quota unit is not reserved: there may be no mailbox row yet to reserve it from.
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

/** A reason from a response is printed only if it looks like an error code. */
function safeWord(value: unknown): string {
  return typeof value === 'string' && /^[a-z_]{1,60}$/.test(value) ? value : 'no reason given';
}
