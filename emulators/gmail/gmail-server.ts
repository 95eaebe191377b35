// HTTP server of the emulated Gmail: one loopback port for the Gmail API, Google's OAuth endpoints and the control
// API (control-api.ts). It only routes requests and writes responses.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { rejectionOf } from '../loopback-requests.ts';
import { applyFault, errorResponse } from './apply-fault.ts';
import { handleControlCall } from './control-api.ts';
import { handleGmailCall } from './gmail-call.ts';
import type { EmulatedGmail } from './gmail-service.ts';
import { GoogleError } from './google-error.ts';
import { bodyText, type Exchange, writeResponse } from './http-exchange.ts';
import { emptyResponse, type HttpResponse, htmlResponse, jsonResponse } from './http-response.ts';
import { type AccountFinder, ManyAccounts, onlyAccount } from './many-accounts.ts';
import { OAuthError } from './oauth.ts';

export interface RunningGmail {
  /** `http://127.0.0.1:PORT/`, for the `rootUrl` option of googleapis. */
  rootUrl: string;
  /** The OAuth token endpoint. */
  tokenUrl: string;
  /** The consent screen. */
  authUrl: string;
  /** The control API. */
  controlUrl: string;
  port: number;
  /** Stops the server and closes every connection, including hanging ones. */
  close(): Promise<void>;
}

/** Serves one account, or many, on loopback, on `port` or on any free port. */
export async function startEmulatedGmail(
  served: EmulatedGmail | ManyAccounts,
  options: { port?: number } = {},
): Promise<RunningGmail> {
  const accounts = served instanceof ManyAccounts ? served : onlyAccount(served);
  const server = createServer((request, response) => {
    handleRequest(accounts, request, response).catch((error: unknown) =>
      reportEmulatorError(response, error),
    );
  });
  // Long enough that a keep-alive client does not send a call on a connection that is just being closed.
  server.keepAliveTimeout = 60_000;
  await listen(server, options.port ?? 0);
  const { port } = server.address() as AddressInfo;
  const rootUrl = `http://127.0.0.1:${port}/`;
  return {
    rootUrl,
    tokenUrl: `${rootUrl}token`,
    authUrl: `${rootUrl}o/oauth2/v2/auth`,
    controlUrl: `${rootUrl}control/`,
    port,
    close: () => {
      for (const gmail of accounts.all) gmail.notifications.close();
      return close(server);
    },
  };
}

/** Reports an error of the emulator itself as plain text, so it cannot be mistaken for an injected fault. */
function reportEmulatorError(response: ServerResponse, error: unknown): void {
  if (response.headersSent) response.destroy();
  else response.writeHead(500, { 'content-type': 'text/plain' }).end(`The emulator failed: ${error}\n`);
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

async function handleRequest(
  accounts: AccountFinder,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://127.0.0.1');
  const exchange = { request, response, url, compresses: true };
  const rejection = rejectionOf(request.headers);
  if (rejection !== null) return writeResponse(exchange, jsonResponse(403, { error: rejection }));
  if (url.pathname.startsWith('/gmail/v1/users/')) return handleApiCall(accounts, exchange);
  if (url.pathname.startsWith('/control/')) {
    const gmail = accounts.ofControlCall(url.searchParams);
    return writeResponse(of(gmail, exchange), await handleControlCall(gmail, request, url));
  }
  if (url.pathname === '/token' && request.method === 'POST') return handleTokenCall(accounts, exchange);
  if (url.pathname === '/o/oauth2/v2/auth' && request.method === 'GET') {
    return writeResponse(exchange, consentResponse(accounts.ofConsent(url.searchParams), url));
  }
  const [first] = accounts.all;
  first?.callLog.add({ atMs: first.clock(), method: 'unknown', units: 0, status: 404 });
  return writeResponse(exchange, htmlResponse(404, notFoundPage));
}

function of(gmail: EmulatedGmail, exchange: Exchange): Exchange {
  return { ...exchange, compresses: gmail.compresses };
}

async function handleApiCall(accounts: AccountFinder, exchange: Exchange): Promise<void> {
  try {
    const gmail = accounts.ofApiCall(exchange.request.headers.authorization);
    return await handleGmailCall(gmail, of(gmail, exchange));
  } catch (error) {
    if (!(error instanceof GoogleError)) throw error;
    return await writeResponse(exchange, errorResponse(error));
  }
}

const notFoundPage =
  '<!DOCTYPE html><title>Error 404 (Not Found)!!1</title><p><b>404.</b> That’s an error.\n';

async function handleTokenCall(accounts: AccountFinder, exchange: Exchange): Promise<void> {
  const form = new URLSearchParams(await bodyText(exchange.request));
  const gmail = accountOfTokenCall(accounts, form);
  if (gmail instanceof OAuthError) return writeResponse(exchange, oauthErrorResponse(gmail));
  const atMs = gmail.clock();
  const injected = gmail.faults.take('token', undefined);
  await applyFault(
    gmail,
    of(gmail, exchange),
    injected,
    () => tokenResponse(gmail, form),
    'oauth',
    (status) => {
      gmail.callLog.add({
        atMs,
        method: 'token',
        units: 0,
        status,
        ...(injected !== null && { fault: injected.kind }),
      });
    },
  );
}

function tokenResponse(gmail: EmulatedGmail, form: URLSearchParams): HttpResponse {
  try {
    return jsonResponse(200, gmail.oauth.token(form), { 'cache-control': 'no-cache, no-store' });
  } catch (error) {
    if (!(error instanceof OAuthError)) throw error;
    return oauthErrorResponse(error);
  }
}

function accountOfTokenCall(accounts: AccountFinder, form: URLSearchParams): EmulatedGmail | OAuthError {
  try {
    return accounts.ofTokenCall(form);
  } catch (error) {
    if (!(error instanceof OAuthError)) throw error;
    return error;
  }
}

function oauthErrorResponse(error: OAuthError): HttpResponse {
  return jsonResponse(error.status, error.body);
}

function consentResponse(gmail: EmulatedGmail, url: URL): HttpResponse {
  try {
    return emptyResponse(302, { location: gmail.oauth.consent(url.searchParams) });
  } catch (error) {
    if (!(error instanceof GoogleError)) throw error;
    return htmlResponse(error.code, `<!DOCTYPE html><title>Error</title><p>${error.reason}\n`);
  }
}
