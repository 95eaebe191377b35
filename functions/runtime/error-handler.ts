/**
 * Turns errors of the functions framework into RFC 9457 problems, and makes it reject compressed bodies. The framework parses
 * the body before it calls the function, and rejects malformed JSON, for example. Without this handler, Express returns an HTML
 * page and prints the error with the whole body. A compressed body of 0.5 MB may inflate to 500 MB; Gmail, Pub/Sub, Cloud
 * Scheduler and the console send none.
 *
 * The framework has no option for either and does not expose its Express app. The app is the `request` listener of the HTTP
 * server, which Node reports on the diagnostics channel `http.server.request.start` before it emits the request.
 * Invariant: no part of a body reaches the log.
 */
import { subscribe } from 'node:diagnostics_channel';
import type { IncomingHttpHeaders, IncomingMessage, Server } from 'node:http';
import type { Request, Response } from '@google-cloud/functions-framework';
import { AppError, toAppError } from '../../shared/errors.ts';
import { errorResponse, type HttpResponse } from '../../shared/http.ts';
import type { Log } from '../../shared/log.ts';

/** Express recognizes an error handler by its four parameters. */
type ErrorHandler = (
  error: unknown,
  request: Request,
  response: Response,
  next: (error: unknown) => void,
) => void;

interface ExpressApp {
  use(handler: ErrorHandler): void;
}

/** Call once per process, before the server starts. */
export function installErrorHandler(log: Log): void {
  const known = new WeakSet<Server>();
  subscribe('http.server.request.start', (message) => {
    const { request, server } = message as { readonly request: IncomingMessage; readonly server: Server };
    rejectCompression(request.headers);
    if (known.has(server)) return;
    known.add(server);
    for (const listener of server.listeners('request')) {
      if (isExpressApp(listener)) listener.use(errorHandler(log));
    }
  });
}

/** The body parser rejects an encoding that it does not know before it reads the body. */
function rejectCompression(headers: IncomingHttpHeaders): void {
  const encoding = headers['content-encoding'];
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity')
    headers['content-encoding'] = 'rejected';
}

function isExpressApp(listener: object): listener is ExpressApp {
  return 'use' in listener && typeof listener.use === 'function';
}

function errorHandler(log: Log): ErrorHandler {
  return (error, _request, response, next) => {
    // Express then closes the connection.
    if (response.headersSent) next(error);
    else sendError(errorResponse(toHttpError(error), log), response);
  };
}

function sendError({ body, headers, status }: HttpResponse, response: Response): void {
  response.status(status).set(headers).send(body);
}

/** By the `type` that body-parser sets on its errors. Their messages may quote the body. */
const DETAILS: Readonly<Record<string, string>> = {
  'encoding.unsupported': 'The body is compressed. Send it without Content-Encoding.',
  'entity.parse.failed': 'The body is not valid JSON.',
  'entity.too.large': 'The body is too large.',
  'parameters.too.many': 'The body has too many parameters.',
  'request.aborted': 'The connection ended before the whole body arrived.',
};

/** body-parser and Express set `status` from 400 to 499 on the errors that the client causes. */
function toHttpError(error: unknown): AppError {
  if (!(error instanceof Error)) return toAppError(error);
  const { status, type } = error as Error & { readonly status?: unknown; readonly type?: unknown };
  if (!(Number(status) >= 400 && Number(status) <= 499)) return toAppError(error);
  return new AppError('bad_request', DETAILS[String(type)] ?? 'The request is malformed and cannot be read.');
}
