/** The emulated Gmail: what its users import. */

export { type RunningGmail, startEmulatedGmail } from './gmail-server.ts';
export { EmulatedGmail, type EmulatedGmailOptions, emulatedCredentials } from './gmail-service.ts';
export { ManyAccounts, refreshTokenOf } from './many-accounts.ts';
