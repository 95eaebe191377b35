/**
 * Google's client libraries, loaded at the first call to Gmail, and the settings that all their requests share.
 * They are the largest part of the code, and an invocation that does not call Gmail needs none of them.
 */
type GmailApi = typeof import('../gmail-api.ts');

let loading: Promise<GmailApi> | null = null;

export async function loadGoogleLibrary(): Promise<GmailApi> {
  loading ??= import('../gmail-api.ts');
  return await loading;
}

// The ES module node:http would load all of fetch for its exports.
const http = process.getBuiltinModule('node:http');
const https = process.getBuiltinModule('node:https');

/** Connections are kept for 5 s, as Node's own agents do, and go through a proxy where the environment names one. */
const AGENT_OPTIONS = { keepAlive: true, scheduling: 'lifo', timeout: 5_000, proxyEnv: process.env } as const;
const agents = { http: new http.Agent(AGENT_OPTIONS), https: new https.Agent(AGENT_OPTIONS) };

/**
 * One request is one attempt: retries, statuses and redirects are ours to judge. With the defaults of the library the
 * attempts would multiply, and a redirect could carry the token to another address.
 */
export const REQUEST_OPTIONS = {
  agent: (url: URL) => (url.protocol === 'https:' ? agents.https : agents.http),
  redirect: 'manual',
  retry: false,
  validateStatus: () => true,
} as const;

/**
 * The system error at the root of what the library throws; undefined when there is none. The library's own errors are
 * not kept: they hold the request, and with it the token.
 */
export function rootCause(thrown: unknown): unknown {
  let cause = thrown;
  while (cause instanceof Error && cause.cause instanceof Error) cause = cause.cause;
  return cause instanceof Error && 'config' in cause ? undefined : cause;
}
