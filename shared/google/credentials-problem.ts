/**
 * Why Google's auth library has no token for this process. All clients use it, because they share the application default credentials.
 * Invariant: the result never contains the message of the library, which may quote a credential file.
 */
const PROBLEMS: readonly (readonly [RegExp, string])[] = [
  [
    /^Could not load the default credentials/,
    'this machine has no application default credentials of Google',
  ],
  [
    /^Unable to read the credential file/,
    'the application default credentials in the file of GOOGLE_APPLICATION_CREDENTIALS cannot be used: correct or unset it',
  ],
  // The login of a user that was revoked or has expired, or a deleted service account. Some clients report it as their own error.
  [/invalid_grant/, 'Google rejected the credentials of this machine'],
];

/** Returns null for any other error: another call may succeed, or the account lacks a permission. */
export function credentialsProblem(error: unknown): string | null {
  const message = error instanceof Error ? error.message : '';
  return PROBLEMS.find(([pattern]) => pattern.test(message))?.[1] ?? null;
}
