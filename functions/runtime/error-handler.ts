/**
 * Turns errors of the functions framework into RFC 9457 problems. Such an error is a malformed JSON body, for example,
 * which the framework rejects before it calls the function. Without this handler, Express returns an HTML page and prints
 * the error with the whole body.
 *
 * The framework does not expose its Express app. The app is the `request` listener of the HTTP server, which Node reports
 * on the diagnostics channel `http.server.request.start` before it emits the request.
 * Invariant: no part of a body reaches the log.
 */
import { subscribe } from 'node:diagnostics_channel';
import type { Server } from 'node:http';
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
    const { server } = message as { readonly server: Server };
    if (known.has(server)) return;
    known.add(server);
    for (const listener of server.listeners('request')) {
      if (isExpressApp(listener)) listener.use(errorHandler(log));
    }
  });
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

/** body-parser and Express set `status` from 400 to 499 on the errors that the client causes. */
function toHttpError(error: unknown): AppError {
  const status = error instanceof Error && 'status' in error ? Number(error.status) : 500;
  if (status < 400 || status > 499) return toAppError(error);
  const isParseError = error instanceof Error && 'type' in error && error.type === 'entity.parse.failed';
  if (isParseError) return new AppError('bad_request', 'The body is not valid JSON.');
  const isEncodingError = error instanceof Error && 'type' in error && error.type === 'encoding.unsupported';
  return new AppError(
    'bad_request',
    isEncodingError
      ? 'The body is compressed. Send it without Content-Encoding.'
      : 'The request is malformed and cannot be read.',
  );
}
