// The emulated Gmail on HTTP: one loopback port for the Gmail API, Google's OAuth endpoints and the control
// API of control.ts. Routing and writing only; what is answered is decided elsewhere.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Answer, emptyAnswer, htmlAnswer, jsonAnswer } from './answer.ts';
import { answerControl } from './control.ts';
import type { EmulatedGmail } from './emulated-gmail.ts';
import { answerGmailCall } from './gmail-call.ts';
import { GoogleError } from './google-error.ts';
import { bodyText, type Exchange, writeAnswer } from './http-exchange.ts';
import { OAuthError } from './oauth.ts';
import { strikeFault } from './struck-call.ts';

export interface RunningGmail {
  /** `http://127.0.0.1:PORT/`, for GMAIL_API_ROOT_URL and googleapis' `rootUrl`. */
  rootUrl: string;
  /** For GOOGLE_OAUTH_TOKEN_URL. */
  tokenUrl: string;
  /** The consent screen. */
  authUrl: string;
  /** The control API. */
  controlUrl: string;
  port: number;
  /** Ends every connection, also those that hang. */
  close(): Promise<void>;
}

/** Serves `gmail` on loopback; any free port unless one is given. */
export async function startEmulatedGmail(
  gmail: EmulatedGmail,
  options: { port?: number } = {},
): Promise<RunningGmail> {
  const server = createServer((request, response) => {
    answer(gmail, request, response).catch((error: unknown) => answerFault(response, error));
  });
  // A client that keeps its connections must not find them closed under its next call.
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
      gmail.notifications.close();
      return close(server);
    },
  };
}

/** A fault of the emulator itself must not pass for one that somebody injected. */
function answerFault(response: ServerResponse, error: unknown): void {
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

async function answer(
  gmail: EmulatedGmail,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://127.0.0.1');
  const exchange = { request, response, url, compresses: gmail.compresses };
  if (url.pathname.startsWith('/gmail/v1/users/')) return answerGmailCall(gmail, exchange);
  if (url.pathname.startsWith('/control/')) {
    return writeAnswer(exchange, await answerControl(gmail, request, url));
  }
  if (url.pathname === '/token' && request.method === 'POST') return answerToken(gmail, exchange);
  if (url.pathname === '/o/oauth2/v2/auth' && request.method === 'GET') {
    return writeAnswer(exchange, consentAnswer(gmail, url));
  }
  gmail.callLog.add({ atMs: gmail.clock(), method: 'unknown', units: 0, status: 404 });
  return writeAnswer(exchange, htmlAnswer(404, notFoundPage));
}

const notFoundPage =
  '<!DOCTYPE html><title>Error 404 (Not Found)!!1</title><p><b>404.</b> That’s an error.\n';

async function answerToken(gmail: EmulatedGmail, exchange: Exchange): Promise<void> {
  const atMs = gmail.clock();
  const form = new URLSearchParams(await bodyText(exchange.request));
  const fault = gmail.faults.strike('token', undefined);
  await strikeFault(
    gmail,
    exchange,
    fault,
    () => tokenAnswer(gmail, form),
    'oauth',
    (status) => {
      gmail.callLog.add({
        atMs,
        method: 'token',
        units: 0,
        status,
        ...(fault !== null && { fault: fault.kind }),
      });
    },
  );
}

function tokenAnswer(gmail: EmulatedGmail, form: URLSearchParams): Answer {
  try {
    return jsonAnswer(200, gmail.oauth.token(form), { 'cache-control': 'no-cache, no-store' });
  } catch (error) {
    if (!(error instanceof OAuthError)) throw error;
    return jsonAnswer(error.status, error.body);
  }
}

function consentAnswer(gmail: EmulatedGmail, url: URL): Answer {
  try {
    return emptyAnswer(302, { location: gmail.oauth.consent(url.searchParams) });
  } catch (error) {
    if (!(error instanceof GoogleError)) throw error;
    return htmlAnswer(error.code, `<!DOCTYPE html><title>Error</title><p>${error.reason}\n`);
  }
}
