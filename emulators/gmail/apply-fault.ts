// Writes the response to a call, with its injected fault if there is one.

import { type FaultKind, statusFault } from './fault-rules.ts';
import type { EmulatedGmail } from './gmail-service.ts';
import type { GoogleError } from './google-error.ts';
import { type Exchange, ended, writeResponse, writeTruncated } from './http-exchange.ts';
import { type HttpResponse, htmlResponse, jsonResponse } from './http-response.ts';
import { pause } from './timers.ts';

/** The error format for an injected status: the token endpoint has its own. */
type ErrorFormat = 'gmail' | 'oauth';

/**
 * Writes the response, changed by the injected fault.
 * @param respond runs the method; not called for a fault that rejects the call, so a rejected modify changes nothing
 * @param log receives the status of the response, 0 for none. It is called before the response is written, so a client
 *   that has the response finds the call in the log
 */
export async function applyFault(
  gmail: EmulatedGmail,
  exchange: Exchange,
  injected: FaultKind | null,
  respond: () => HttpResponse,
  format: ErrorFormat,
  log: (status: number) => void,
): Promise<void> {
  switch (injected?.kind) {
    case 'reset':
      log(0);
      exchange.response.destroy();
      return;
    case 'hang':
      log(0);
      await ended(exchange);
      return;
    case 'truncate': {
      const whole = respond();
      log(whole.status);
      await writeTruncated(exchange, whole);
      return;
    }
    case 'notJson':
      log(200);
      await writeResponse(exchange, htmlResponse(200, '<!DOCTYPE html><title>Sign in</title><p>Welcome.\n'));
      return;
    case 'status': {
      log(injected.status);
      await writeResponse(exchange, statusResponse(injected, format));
      return;
    }
    case 'delay':
      await pause(gmail.timers, injected.delayMs);
  }
  const response = respond();
  log(response.status);
  await writeResponse(exchange, response);
}

function statusResponse(fault: Extract<FaultKind, { kind: 'status' }>, format: ErrorFormat): HttpResponse {
  const error = statusFault(fault);
  if (format === 'gmail') return errorResponse(error);
  const body = { error: fault.reason ?? 'internal_failure', error_description: error.message };
  return jsonResponse(fault.status, body, retryAfter(error));
}

/** An error in Google's format, with Retry-After if the error has one. */
export function errorResponse(error: GoogleError): HttpResponse {
  return jsonResponse(error.code, error.body, retryAfter(error));
}

function retryAfter(error: GoogleError): Record<string, string> {
  return error.retryAfterSeconds === undefined ? {} : { 'retry-after': String(error.retryAfterSeconds) };
}
