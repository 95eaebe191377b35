/**
 * What we take of Google's packages for Gmail, in a file of its own: the build writes it once, for all functions.
 * Only the Gmail module and the OAuth client are loaded; the indexes of the packages take several times as long.
 */
export { OAuth2Client } from 'google-auth-library/build/src/auth/oauth2client.js';
export { gmail_v1 } from 'googleapis/build/src/apis/gmail/v1.js';
