// Writing an answer with the fault that struck its call, or as it is.

import { type Answer, htmlAnswer, jsonAnswer } from './answer.ts';
import type { EmulatedGmail } from './emulated-gmail.ts';
import { type FaultKind, statusFault } from './faults.ts';
import type { GoogleError } from './google-error.ts';
import { type Exchange, ended, writeAnswer, writeTruncated } from './http-exchange.ts';
import { pause } from './timers.ts';

/** Whose form an injected status has: the token endpoint's errors look different. */
type ErrorForm = 'gmail' | 'oauth';

/**
 * Writes the answer as the fault wants it; gives the status that the caller saw, 0 for none.
 * @param answer asked only when the call gets through, so that a refused modify changes nothing
 */
export async function strikeFault(
  gmail: EmulatedGmail,
  exchange: Exchange,
  fault: FaultKind | null,
  answer: () => Answer,
  form: ErrorForm,
): Promise<number> {
  switch (fault?.kind) {
    case 'reset':
      exchange.response.destroy();
      return 0;
    case 'hang':
      await ended(exchange);
      return 0;
    case 'truncate': {
      const whole = answer();
      await writeTruncated(exchange, whole);
      return whole.status;
    }
    case 'notJson':
      await writeAnswer(exchange, htmlAnswer(200, '<!DOCTYPE html><title>Sign in</title><p>Welcome.\n'));
      return 200;
    case 'status': {
      await writeAnswer(exchange, statusAnswer(fault, form));
      return fault.status;
    }
    case 'delay':
      await pause(gmail.timers, fault.delayMs);
  }
  const ready = answer();
  await writeAnswer(exchange, ready);
  return ready.status;
}

function statusAnswer(fault: Extract<FaultKind, { kind: 'status' }>, form: ErrorForm): Answer {
  const error = statusFault(fault);
  if (form === 'gmail') return errorAnswer(error);
  const body = { error: fault.reason ?? 'internal_failure', error_description: error.message };
  return jsonAnswer(fault.status, body, retryAfter(error));
}

/** An error in Google's form, with Retry-After when the rule names it. */
export function errorAnswer(error: GoogleError): Answer {
  return jsonAnswer(error.code, error.body, retryAfter(error));
}

function retryAfter(error: GoogleError): Record<string, string> {
  return error.retryAfterSeconds === undefined ? {} : { 'retry-after': String(error.retryAfterSeconds) };
}
