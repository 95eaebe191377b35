/** Google's auth library, re-exported from its own file so that the build writes it once for all functions. */
export { Compute, GoogleAuth, OAuth2Client } from 'google-auth-library';
