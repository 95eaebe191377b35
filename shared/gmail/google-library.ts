/**
 * Loads Google's client libraries at the first call to Gmail, and holds the settings that all their requests share.
 * The libraries are the largest part of the code, and an invocation that does not call Gmail does not need them.
 */
export async function loadGoogleLibrary() {
  return await import('../google/gmail.ts');
}

// Importing node:http as an ES module would load the fetch implementation for its exports.
const http = process.getBuiltinModule('node:http');
const https = process.getBuiltinModule('node:https');

/** Keeps connections for 5 s, as Node's own agents do, and uses the proxy that the environment names. */
const AGENT_OPTIONS = { keepAlive: true, scheduling: 'lifo', timeout: 5_000, proxyEnv: process.env } as const;
const agents = { http: new http.Agent(AGENT_OPTIONS), https: new https.Agent(AGENT_OPTIONS) };

/**
 * One request is one attempt: our code handles retries, statuses and redirects. With the library's defaults the attempts
 * would multiply, and a redirect could send the token to another address.
 */
export const REQUEST_OPTIONS = {
  agent: (url: URL) => (url.protocol === 'https:' ? agents.https : agents.http),
  redirect: 'manual',
  retry: false,
  validateStatus: () => true,
} as const;

/**
 * Returns the system error at the root of an error of the library; undefined when there is none. The library's own errors
 * are not kept, because they contain the request and thus the token.
 */
export function rootCause(thrown: unknown): unknown {
  let cause = thrown;
  while (cause instanceof Error && cause.cause instanceof Error) cause = cause.cause;
  return cause instanceof Error && 'config' in cause ? undefined : cause;
}
