/** What the small emulators of Google APIs share: a loopback server, errors in Google's form, and injected faults. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { rejectionOf } from './loopback-requests.ts';

/** The next calls fail like this. `hang`: no response until the server closes. `reset`: the connection breaks. */
export type GoogleFault = 'hang' | 'reset' | GoogleApiError;

/** An error of a Google API, with the `ErrorInfo` that says why. */
export interface GoogleApiError {
  readonly code: number;
  /** `PERMISSION_DENIED` */
  readonly status: string;
  /** `IAM_PERMISSION_DENIED` */
  readonly reason?: string;
  readonly message?: string;
  readonly retryAfterSeconds?: number;
}

export const FAULTS = {
  apiDisabled: {
    code: 403,
    status: 'PERMISSION_DENIED',
    reason: 'SERVICE_DISABLED',
    message: 'The API has not been used in project 1 before or it is disabled.',
  },
  denied: {
    code: 403,
    status: 'PERMISSION_DENIED',
    reason: 'IAM_PERMISSION_DENIED',
    message: 'Permission denied on resource (or it may not exist).',
  },
  notFound: { code: 404, status: 'NOT_FOUND', message: 'Requested entity was not found.' },
  unavailable: { code: 503, status: 'UNAVAILABLE', message: 'The service is currently unavailable.' },
} as const satisfies Record<string, GoogleApiError>;

export interface EmulatedGoogleApi {
  /** Ends in a slash. */
  readonly rootUrl: string;
  /** Null: calls succeed. */
  fault: GoogleFault | null;
  /** Calls so far, failed ones included. */
  callCount: number;
  close(): void;
}

/** @param answer the JSON object of a 200, or an error */
export async function startGoogleApi(
  answer: (request: IncomingMessage, body: string) => object | { readonly error: GoogleApiError },
): Promise<EmulatedGoogleApi> {
  const server = createServer((request, response) => {
    void readText(request).then((body) => {
      api.callCount += 1;
      if (rejectionOf(request.headers) !== null) return sendError(response, FAULTS.denied);
      if (api.fault === 'hang') return undefined;
      if (api.fault === 'reset') return request.socket.destroy();
      if (api.fault !== null) return sendError(response, api.fault);
      const answered = answer(request, body);
      if ('error' in answered) return sendError(response, answered.error as GoogleApiError);
      return send(response, 200, answered);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const api: EmulatedGoogleApi = {
    rootUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    fault: null,
    callCount: 0,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
  return api;
}

async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

function send(response: ServerResponse, code: number, body: object): void {
  response.writeHead(code, { 'content-type': 'application/json; charset=UTF-8' }).end(JSON.stringify(body));
}

function sendError(
  response: ServerResponse,
  { code, message = '', reason, retryAfterSeconds, status }: GoogleApiError,
): void {
  if (retryAfterSeconds !== undefined) response.setHeader('retry-after', String(retryAfterSeconds));
  const details =
    reason === undefined
      ? {}
      : {
          details: [
            { '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason, domain: 'googleapis.com' },
          ],
        };
  send(response, code, { error: { code, message, status, ...details } });
}
