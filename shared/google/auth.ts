/** Google's auth library. */
import { OAuth2Client } from 'google-auth-library';

export { Compute, GoogleAuth, OAuth2Client } from 'google-auth-library';

/** The token must not expire, because a refresh needs credentials. */
const FAKE_TOKEN_LIFE_MS = 10 * 365 * 86_400_000;

/** A client with a token for emulators, which do not check it. */
export function emulatorAuth(): OAuth2Client {
  const client = new OAuth2Client();
  client.setCredentials({ access_token: 'emulator', expiry_date: Date.now() + FAKE_TOKEN_LIFE_MS });
  return client;
}
