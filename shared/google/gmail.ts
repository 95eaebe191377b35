/**
 * The Gmail API client. The deep imports load only the Gmail module and the OAuth client; the package indexes take several times as
 * long to load.
 */
export { OAuth2Client } from 'google-auth-library/build/src/auth/oauth2client.js';
export { gmail_v1 } from 'googleapis/build/src/apis/gmail/v1.js';
